"""Reviews longer than the model reads at once: segments and ways to pool them against the beginning alone.

    python -m benchmarks.training.long_texts --model model/ --windows 512 64

The reviews are customers' of the source distribution of the demo's tweets, whose sentences people have rated.
`made`: 200 texts of more than 512 tokens: sentences that were rated neutral, and a short review at the start, in
the middle or at the end, which is the verdict. `whole`: real reviews as they are, by their mean rating.
Accuracy by the larger of the uncalibrated probabilities of negative and positive; differences to the beginning
alone are paired, with bootstrap intervals of 95 %.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.common.texts import rated_reviews
from shared.inference.engines.select import load_scorer
from shared.inference.postprocessing import softmax
from shared.inference.tokenization.rows import TokenRow
from shared.inference.tokenization.tokenise import Tokeniser
from shared.inference.types import Score, Unscorable, rows_of
from shared.logs import configure_logs
from shared.model_folder.artifact import Artifact, open_artifact
from shared.model_folder.manifest import LongTexts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shared.inference.types import Scorer
    from trainer.models.transformer.predict import FloatArray

PLACES: Final = ("start", "middle", "end")
LONG_TOKENS: Final = 512
NEUTRAL: Final = 0.3
"""Ratings go from -4 to 4."""
VERDICT_TOKENS: Final = 150
CLEAR: Final = 0.4
"""Mean rating of a review from which it counts as positive, or negative below its opposite."""
DRAWS: Final = 10_000
ROWS: Final = 32
SEGMENTS: Final = 64


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts with what they are: 1 positive, 0 negative."""

    texts: list[str]
    gold: FloatArray
    places: list[str]
    """Where the verdict of each is; of real reviews unknown."""


def main() -> None:
    """Prints one JSON line for each window, overlap, set of texts and way to pool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of a transformer")
    parser.add_argument("--windows", type=int, nargs="+", default=[512, 64], help="tokens of a segment")
    parser.add_argument("--overlaps", type=int, nargs="+", default=[0, 8, 4], help="1/N of a window; 0: none")
    args = parser.parse_args()
    configure_logs("error")
    artifact = open_artifact(args.model)
    plain = Tokeniser.load(artifact)
    sets = {"made": made(plain, np.random.default_rng(0)), "whole": whole()}
    for window in args.windows:
        for overlap in args.overlaps:
            how = LongTexts(max_segments=SEGMENTS, overlap=window // overlap if overlap else 0)
            changed = {"max_tokens": window, "long_texts": how, "temperature": 1.0, "bias": None}
            reading = replace(artifact, manifest=artifact.manifest.model_copy(update=changed))
            scorer = load_scorer(reading, "cpu", "fp32")
            for name, texts in sets.items():
                for line in compared(reading, scorer, texts):
                    print(json.dumps({"texts": name, "window": window, "overlap": how.overlap} | line), flush=True)


def made(tokeniser: Tokeniser, chance: np.random.Generator) -> Texts:
    """Long texts with one verdict each."""
    reviewed = rated_reviews()
    neutral = [text for review in reviewed for rating, text in review if abs(rating) < NEUTRAL]
    short = [
        (float(np.mean([rating for rating, _ in review])), [text for _, text in review])
        for review in reviewed
        if _tokens(tokeniser, [text for _, text in review]) < VERDICT_TOKENS
    ]
    verdicts = [[text for mean, text in short if sign * mean > CLEAR] for sign in (-1, 1)]
    texts, gold, places = [], [], []
    for number in range(200):
        label, place = float(number % 2), PLACES[number % len(PLACES)]
        verdict = verdicts[number % 2][chance.integers(len(verdicts[number % 2]))]
        filler: list[str] = []
        while _tokens(tokeniser, filler) <= LONG_TOKENS:
            filler += [neutral[index] for index in chance.integers(0, len(neutral), 8)]
        at = {"start": 0, "middle": len(filler) // 2, "end": len(filler)}[place]
        texts.append(" ".join([*filler[:at], *verdict, *filler[at:]]))
        gold.append(label)
        places.append(place)
    return Texts(texts, np.array(gold), places)


def whole() -> Texts:
    """Real reviews with a clear mean rating."""
    means = [
        (float(np.mean([rating for rating, _ in one])), " ".join(text for _, text in one))
        for one in rated_reviews()
    ]
    clear = [(mean, text) for mean, text in means if abs(mean) > CLEAR]
    return Texts([text for _, text in clear], np.array([float(mean > 0) for mean, _ in clear]), [""] * len(clear))


def compared(artifact: Artifact, scorer: Scorer, texts: Texts) -> list[dict[str, object]]:
    """The accuracy of each way, and its paired difference to the beginning alone."""
    read = scorer.tokenise([scorer.normalise(text) for text in texts.texts])
    rows = [rows_of(one) for one in read if not isinstance(one, Unscorable)]
    flat = [row for own in rows for row in own]
    order = np.argsort([-len(row) for row in flat], kind="stable")
    found = np.empty((len(flat), len(artifact.manifest.labels)))
    for start in range(0, len(flat), ROWS):
        chosen = order[start : start + ROWS]
        answers = scorer.forward([flat[index] for index in chosen])
        found[chosen] = [one.probabilities for one in answers if isinstance(one, Score)]
    logits = np.split(np.log(np.maximum(found, 1e-30)), np.cumsum([len(own) for own in rows])[:-1])
    tokens = [np.array([len(row) for row in own], np.float64) for own in rows]
    names = artifact.manifest.labels
    signs = [names.index("negative"), names.index("positive")]
    head = _right(np.array([own[0] for own in logits]), signs, texts.gold)
    lines: list[dict[str, object]] = []
    for name, pool in WAYS.items():
        right = _right(
            np.array([pool(own, size) for own, size in zip(logits, tokens, strict=True)]), signs, texts.gold
        )
        line: dict[str, object] = {"way": name, "n": len(right), "accuracy": round(float(right.mean()), 4)}
        if name != "beginning":
            line["difference"] = _difference(right, head)
        for place in PLACES if texts.places[0] else ():
            line[place] = round(float(right[np.array(texts.places) == place].mean()), 4)
        lines.append(line | {"segments": round(float(np.mean([len(own) for own in rows])), 2)})
    return lines


def _confidence(logits: FloatArray) -> FloatArray:
    """One less the entropy, as a share of the largest, `[segments]`."""
    shares = softmax(logits)
    entropy = -(shares * np.log(np.maximum(shares, 1e-30))).sum(axis=1) / np.log(shares.shape[1])
    confidence: FloatArray = np.maximum(1 - entropy, 1e-9)
    return confidence


def _power_mean(power: int) -> Callable[[FloatArray, FloatArray], FloatArray]:
    def pool(logits: FloatArray, _: FloatArray) -> FloatArray:
        pooled: FloatArray = np.log(np.mean(softmax(logits) ** power, axis=0)) / power
        return pooled

    return pool


WAYS: Final[Mapping[str, Callable[[FloatArray, FloatArray], FloatArray]]] = {
    "beginning": lambda logits, _: logits[0],
    "end": lambda logits, _: logits[-1],
    "mean of logits": lambda logits, _: logits.mean(axis=0),
    "mean by tokens": lambda logits, tokens: np.average(logits, axis=0, weights=tokens),
    "mean by confidence": lambda logits, _: np.average(logits, axis=0, weights=_confidence(logits)),
    "mean of probabilities": lambda logits, _: np.log(softmax(logits).mean(axis=0)),
    **{f"power mean of probabilities, {power}": _power_mean(power) for power in (2, 4, 8)},
    "the same by confidence": lambda logits, _: np.log(
        np.average(softmax(logits), axis=0, weights=_confidence(logits))
    ),
    "most confident": lambda logits, _: logits[softmax(logits).max(axis=1).argmax()],
}


def _right(logits: FloatArray, signs: Sequence[int], gold: FloatArray) -> FloatArray:
    right: FloatArray = ((logits[:, signs[1]] > logits[:, signs[0]]) == (gold > 0)).astype(np.float64)
    return right


def _difference(right: FloatArray, head: FloatArray) -> dict[str, float]:
    gains = right - head
    draws = np.random.default_rng(0).integers(0, len(gains), (DRAWS, len(gains)))
    low, high = np.quantile(gains[draws].mean(axis=1), [0.025, 0.975])
    return {"mean": round(float(gains.mean()), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def _tokens(tokeniser: Tokeniser, sentences: Sequence[str]) -> int:
    rows = tokeniser.rows(sentences) if sentences else []
    return sum(len(row) - tokeniser.special_tokens for row in rows if isinstance(row, TokenRow))


if __name__ == "__main__":
    main()
