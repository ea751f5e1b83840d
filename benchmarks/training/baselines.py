"""Fits baselines on one file and tests them on another, or cross-validates them: quality and processor time.

A label is the largest probability, without the weights of a decision, as in publications. A tenth of the training
rows, drawn at random, is the validation part.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import recall_score

from shared.text import NormaliserOptions, normalise
from trainer.data.readers import read_examples
from trainer.models.baselines.recipes import RECIPES, Task, fit
from trainer.models.baselines.vader import NAME, Vader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shared.inference.linear.model import Linear
    from trainer.data.examples import Examples, IntArray
    from trainer.models.transformer.predict import FloatArray

VALIDATION = 0.1


def main() -> None:
    """Prints one line of JSON for each baseline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("--test", type=Path, help="default: cross-validation")
    parser.add_argument("--models", default=",".join((*RECIPES, NAME)))
    parser.add_argument("--characters", type=int, default=0)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data = read_examples(options.train)
    test = read_examples(options.test).in_order_of(data.label_names, whose="the data") if options.test else None
    for name in options.models.split(","):
        began = time.process_time()
        scores, rate = [], 0.0
        for train_rows, test_rows in _folds(data, test, options.folds, options.seed):
            answers, rate = _answers(name, train_rows, test_rows.texts, options.seed, options.characters)
            gold = test_rows.labels
            scores.append(((answers == gold).mean(), recall_score(gold, answers, average="macro")))
        accuracy, recall = np.mean(scores, axis=0)
        found = {
            "model": name,
            "accuracy": round(float(accuracy), 4),
            "macro_recall": round(float(recall), 4),
            "deviation_of_folds": round(float(np.std([one for one, _ in scores])), 4),
            "cpu_s": round(time.process_time() - began, 1),
            "texts_per_cpu_s": round(rate),
        }
        print(json.dumps(found), flush=True)


def _folds(data: Examples, test: Examples | None, folds: int, seed: int) -> Iterator[tuple[Examples, Examples]]:
    if test is not None:
        yield data, test
        return
    fold_of = np.random.default_rng(seed).permutation(len(data)) % folds
    for fold in range(folds):
        yield data.take(np.flatnonzero(fold_of != fold)), data.take(np.flatnonzero(fold_of == fold))


def _answers(
    name: str, train: Examples, texts: Sequence[str], seed: int, characters: int
) -> tuple[IntArray, float]:
    """The label of each text, and texts for each second of processor time."""
    score: Callable[[Sequence[str]], FloatArray]
    if name == NAME:
        score = Vader(train.label_names).logits
    else:
        options = NormaliserOptions(lowercase=True)
        clean = [normalise(text, options) for text in train.texts]
        held = np.random.default_rng(seed).random(len(train)) < VALIDATION
        kept = [
            [text for text, out in zip(clean, held.tolist(), strict=True) if out is one] for one in (False, True)
        ]
        task = Task(kept[0], train.labels[~held], (kept[1], train.labels[held]), seed, characters)
        model = fit(name, task)

        score = partial(_logits, model, options)

    began = time.process_time()
    found = score(texts).argmax(axis=1)
    return found, len(texts) / (time.process_time() - began)


def _logits(model: Linear, options: NormaliserOptions, texts: Sequence[str]) -> FloatArray:
    return model.logits([normalise(text, options) for text in texts])


if __name__ == "__main__":
    main()
