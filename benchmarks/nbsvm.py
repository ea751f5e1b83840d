"""Cross-validates baselines on one labelled file, to compare NBSVM with its published figures on movie reviews."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from shared.text import NormaliserOptions, normalise
from trainer.data.readers import read_examples
from trainer.models.baselines.recipes import RECIPES, Task, fit


def main() -> None:
    """Prints one line of JSON for each baseline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--models", default=",".join(RECIPES))
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    examples = read_examples(options.data)
    texts = [normalise(text, NormaliserOptions(lowercase=True)) for text in examples.texts]
    gold = examples.labels
    # Not grouped by near-duplicates: as in the publication.
    fold_of = np.random.default_rng(options.seed).permutation(len(texts)) % options.folds
    for name in options.models.split(","):
        began, right = time.monotonic(), []
        for fold in range(options.folds):
            train, test = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
            model = fit(name, Task([texts[row] for row in train], gold[train], options.seed))
            answers = model.logits([texts[row] for row in test]).argmax(axis=1)
            right.append(float((answers == gold[test]).mean()))
        found = {
            "model": name,
            "rows": len(texts),
            "folds": options.folds,
            "accuracy": round(float(np.mean(right)), 4),
            "deviation_of_folds": round(float(np.std(right)), 4),
            "seconds": round(time.monotonic() - began, 1),
        }
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
