"""Few labels: a linear head on a frozen encoder against fine-tuning, on draws of the same rows.

    python -m benchmarks.training.few_labels --pool sst2-train.parquet --test sst2-validation.parquet --base mpnet

Both ways are `train` itself. The linear head gets the drawn rows only. Fine-tuning cannot do without rows for
validation and calibration, so it gets as many more of each, which favours it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.data.readers import ColumnNames, read_examples
from trainer.evaluation.report import TEST
from trainer.models.train import Job, train
from trainer.models.transformer.base import hush_transformers
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from trainer.data.examples import Examples


def main() -> None:
    """Prints one JSON line for each training, and one for the mean of each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, required=True, help="rows to draw from")
    parser.add_argument("--test", type=Path, required=True, help="rows to test on")
    parser.add_argument("--base", default="minilm")
    parser.add_argument("--each", type=int, nargs="+", default=[8, 16], help="labels a class")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--head", nargs="+", default=["linear", "fine-tune"])
    args = parser.parse_args()
    hush_transformers()
    pool, test = (read_examples(path, ColumnNames()) for path in (args.pool, args.test))
    for each in args.each:
        for head in args.head:
            found = [_run(pool, test, args.base, each, head=head, draw=draw) for draw in range(args.draws)]
            accuracies = [one["accuracy"] for one in found]
            mean = {
                "mean": float(np.mean(accuracies)),
                "sd": float(np.std(accuracies, ddof=1)) if found[1:] else 0.0,
            }
            print(
                json.dumps({"base": args.base, "each": each, "head": head, "draws": len(found), **mean}),
                flush=True,
            )


def _run(pool: Examples, test: Examples, base: str, each: int, *, head: str, draw: int) -> dict[str, Any]:
    shuffle = np.random.default_rng(draw)
    of_label = [
        shuffle.permutation(np.flatnonzero(pool.labels == label)) for label in range(len(pool.label_names))
    ]
    parts = [
        pool.take(np.sort(np.concatenate([rows[start * each : (start + 1) * each] for rows in of_label])))
        for start in range(3)
    ]
    given = {"test": test}
    if head == "fine-tune":
        given |= {"validation": parts[1], "calibration": parts[2]}
    settings = TrainerSettings.model_validate({"base": base, "head": head, "device": "cpu", "split": "random"})
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        _, report = train(Job(parts[0], Path(folder) / "model", given=given, behaviour=False), settings)
    figures = report.evaluations[TEST]
    found = {
        "base": base,
        "each": each,
        "head": head,
        "draw": draw,
        "accuracy": figures.accuracy,
        "nll": figures.calibrated.nll,
        "seconds": round(time.monotonic() - began, 1),
    }
    print(json.dumps(found), flush=True)
    return found


if __name__ == "__main__":
    main()
