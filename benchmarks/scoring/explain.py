"""Explanations of a model's answers: do two methods agree, and how long does a text take.

    python -m benchmarks.scoring.explain --model model/ --data tweets.parquet

Spearman's rank correlation of the words of a text, by both methods; milliseconds a text, after one to warm up.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import spearmanr

from shared.inference.engines.select import load_scorer
from shared.inference.explanation.gradients import IntegratedGradients
from shared.inference.explanation.occlusion import by_occlusion
from shared.inference.explanation.words import Explanation
from shared.inference.scheduler import Scheduler
from shared.logs import configure_logs
from shared.model_folder.artifact import open_artifact
from trainer.data.readers import read_examples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def main() -> None:
    """Prints one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of a transformer")
    parser.add_argument("--data", type=Path, required=True, help="texts")
    parser.add_argument("--texts", type=int, default=200)
    args = parser.parse_args()
    configure_logs("error")
    artifact = open_artifact(args.model)
    scorer = load_scorer(artifact, "cpu")
    scoring = Scheduler(scorer)
    examples = read_examples(args.data)
    rows = np.random.default_rng(0).permutation(len(examples))[: args.texts + 1].tolist()
    texts = [scorer.normalise(examples.texts[row]) for row in rows]
    gradients = IntegratedGradients(artifact)
    occluded, by_leaving_out = timed(lambda text: by_occlusion(scoring.score, text), texts)
    integrated, by_gradients = timed(gradients.explain, texts)
    found = [
        agreement(one, other)
        for one, other in zip(occluded, integrated, strict=True)
        if len(one.words) > 2 and one.label == other.label  # noqa: PLR2004 - two words always agree or disagree
    ]
    print(f"rank correlation of {len(found)} texts: median {np.median(found):.2f}, quartiles {_quartiles(found)}")
    first = [largest(one) == largest(other) for one, other in zip(occluded, integrated, strict=True)]
    print(f"the same word has the largest weight: {np.mean(first):.0%}")
    for name, times in (("occlusion", by_leaving_out), ("gradients", by_gradients)):
        print(f"{name}: median {np.median(times):.0f} ms, quartiles {_quartiles(times, 0)} ms")


def timed(explain: Callable[[str], object], texts: Sequence[str]) -> tuple[list[Explanation], list[float]]:
    """Explanations, and milliseconds of each."""
    explain(texts[0])
    found, times = [], []
    for text in texts[1:]:
        began = time.perf_counter()
        one = explain(text)
        times.append((time.perf_counter() - began) * 1e3)
        if not isinstance(one, Explanation):
            raise TypeError("a text has no score; leave it out")
        found.append(one)
    return found, times


def agreement(one: Explanation, other: Explanation) -> float:
    """Rank correlation of the weights of the words."""
    weights = ([word.weight for word in each.words] for each in (one, other))
    return float(spearmanr(*weights).statistic)


def largest(one: Explanation) -> int:
    """The number of the word with the largest weight."""
    return int(np.argmax([word.weight for word in one.words]))


def _quartiles(values: Sequence[float], decimals: int = 2) -> str:
    low, high = np.percentile(values, [25, 75])
    return f"{low:.{decimals}f} to {high:.{decimals}f}"


if __name__ == "__main__":
    main()
