"""What of a long text a model is trained on: its beginning, its beginning and end, or all of it in segments.

    python -m benchmarks.training.long_training --base minilm --output long_training.jsonl

The texts are the real reviews of `long_texts`, 176 tokens in the median, in a window of WINDOW.
Each fold trains on the reviews of the others, with `train` itself, and reads its own as a consumer does, in
segments. A segment has the label of its review. Each run is a JSON line; runs that the file has are skipped.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from tokenizers import Tokenizer

from benchmarks.training.long_texts import whole
from shared.inference.tokenization.segments import segments_of
from shared.logs import configure_logs
from shared.text import normalise
from trainer.data.examples import Examples
from trainer.evaluation.serving import serve
from trainer.models.pretrained.source import find_source
from trainer.models.train import Job, train
from trainer.models.transformer.base import hush_transformers
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    Spans = list[tuple[int, int]]

WINDOW: Final = 64
ROOM: Final = WINDOW - 2
"""Tokens of a row without the special ones."""
HEAD: Final = ROOM // 4
"""Tokens of the beginning in head and tail: 128 of 510 in Sun et al. 2019, How to Fine-Tune BERT."""
FOLDS: Final = 5
ASIDE: Final = 30
"""Reviews of the other folds that calibrate, and as many that choose the weights."""


def head(text: str, _spans: Spans) -> list[str]:
    """The text, of which training reads the first row."""
    return [text]


def head_and_tail(text: str, spans: Spans) -> list[str]:
    """The beginning and the end, as one text that fits."""
    if len(spans) <= ROOM:
        return [text]
    # Less two: a piece of a text may have a token more than it has in the text.
    return [f"{text[: spans[HEAD - 1][1]]} {text[spans[-(ROOM - HEAD - 2)][0] :]}"]


def segments(text: str, spans: Spans) -> list[str]:
    """All of it, in segments as they are served."""
    return [text[start:end] for start, end in segments_of(text, spans, ROOM, WINDOW // 8)] if spans else [text]


WAYS: Final[dict[str, Callable[[str, Spans], list[str]]]] = {
    "head": head,
    "head and tail": head_and_tail,
    "segments": segments,
}


def main() -> None:
    """Runs what the file does not have, and prints the accuracies and their paired differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="minilm")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--output", type=Path, required=True, help="JSON lines, one a run")
    given = parser.parse_args()
    configure_logs("error")
    hush_transformers()
    reviews = _reviews()
    lines = [json.loads(line) for line in given.output.read_text().splitlines()] if given.output.exists() else []
    done = {(line["seed"], line["fold"], line["way"]) for line in lines}
    source = find_source(given.base, None, TrainerSettings().cache_dir)
    tokenizer = Tokenizer.from_file(str(source.folder / "tokenizer.json"))
    tokenizer.no_truncation()
    for seed, fold, way in itertools.product(range(given.seeds), range(FOLDS), WAYS):
        if (seed, fold, way) in done:
            continue
        lines.append(
            {"seed": seed, "fold": fold, "way": way}
            | _run(reviews, tokenizer, given.base, seed=seed, fold=fold, way=way)
        )
        print(json.dumps({name: value for name, value in lines[-1].items() if name != "right"}), flush=True)
        with given.output.open("a", encoding="utf-8") as file:
            file.write(json.dumps(lines[-1]) + "\n")
    _show(lines)


def _reviews() -> Examples:
    found = whole()
    return Examples(
        texts=tuple(map(normalise, found.texts)),
        labels=found.gold.astype(np.int64),
        label_names=("negative", "positive"),
        ids=tuple(map(str, range(len(found.texts)))),
        source="reviews",
    )


def _run(reviews: Examples, tokenizer: Tokenizer, base: str, *, seed: int, fold: int, way: str) -> dict[str, Any]:
    order = np.random.default_rng(seed).permutation(len(reviews))
    own, others = order[fold::FOLDS], np.concatenate([order[k::FOLDS] for k in range(FOLDS) if k != fold])
    aside = {"validation": others[:ASIDE], "calibration": others[ASIDE : 2 * ASIDE], "test": own}
    parts = {name: reviews.take(rows) for name, rows in aside.items()}
    trained = _read(reviews.take(others[2 * ASIDE :]), tokenizer, WAYS[way])
    settings = TrainerSettings.model_validate(
        {"base": base, "seed": seed, "max_tokens": WINDOW, "head": "fine-tune", "decide": "accuracy"}
    )
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        artifact, _ = train(Job(trained, Path(folder) / "model", given=parts, behaviour=False), settings)
        served = serve(artifact, parts["test"].texts, device="cpu", precision="fp32")
    right = served.labels == parts["test"].labels
    return {
        "rows": len(trained),
        "accuracy": round(float(right.mean()), 4),
        "seconds": round(time.monotonic() - began, 1),
        "right": dict(zip(parts["test"].ids, right.tolist(), strict=True)),
    }


def _read(reviews: Examples, tokenizer: Tokenizer, way: Callable[[str, Spans], list[str]]) -> Examples:
    """The training rows that a way makes of the reviews."""
    pieces = [way(text, tokenizer.encode(text, add_special_tokens=False).offsets) for text in reviews.texts]
    rows = np.repeat(np.arange(len(reviews)), [len(own) for own in pieces])
    texts = tuple(itertools.chain.from_iterable(pieces))
    return replace(reviews.take(rows), texts=texts, ids=tuple(map(str, range(len(texts)))))


def _show(lines: list[dict[str, Any]]) -> None:
    right: dict[str, dict[tuple[int, str], bool]] = {way: {} for way in WAYS}
    for line in lines:
        right[line["way"]] |= {(line["seed"], name): value for name, value in line["right"].items()}
    names = sorted({name for _, name in right["head"]})
    draws = np.random.default_rng(0).integers(0, len(names), (10_000, len(names)))
    # By review, since the seeds read the same reviews.
    means = {way: _by_review(found, names) for way, found in right.items()}
    for way, found in means.items():
        less = (found - means["head"])[draws].mean(axis=1)
        low, high = np.quantile(less, (0.025, 0.975))
        print(f"{way}: {found.mean():.3f}, less the head {found.mean() - means['head'].mean():+.3f} "
              f"({low:+.3f} to {high:+.3f})")  # fmt: skip


def _by_review(found: dict[tuple[int, str], bool], names: list[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
    seeds = {seed for seed, _ in found}
    return np.array([np.mean([found[seed, name] for seed in seeds]) for name in names])


if __name__ == "__main__":
    main()
