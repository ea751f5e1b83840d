"""Learning curves by the number of labelled rows: fine-tuning, and a linear head on frozen vectors.

    python -m benchmarks.training.learning_curve --data train.parquet --test later.parquet --output curve.jsonl

Each run is one JSON line, written when it ends; runs that the file has are skipped, so an interrupted call goes on
where it ended. `--table` prints what the file has, and runs nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from shared.logs import configure_logs
from trainer.data.readers import read_examples
from trainer.evaluation.metrics import accuracy, confusion_matrix, macro_recall
from trainer.evaluation.serving import serve
from trainer.models.train import Job, train
from trainer.models.transformer.base import hush_transformers
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from trainer.data.examples import Examples

ROWS: Final = (60, 129, 258, 500, 1_000, 2_000, 4_000)
SEEDS: Final = 5
OWN_TEST_ROWS: Final = 30
"""Rows that `train` holds out in addition: it needs a test part, and the curves have a larger one of their own."""
METHODS: Final = ("fine-tune", "linear")
"""Values of the setting `head`; `auto` takes the second below 100 rows a label."""

Key = tuple[int, int, str]


def draw(data: Examples, rows: int, seed: int) -> Examples:
    """The same number of rows of each label, or one more, at random."""
    chance = np.random.default_rng(seed)
    of_label = [chance.permutation(np.flatnonzero(data.labels == k)) for k in range(len(data.label_names))]
    each = -(-rows // len(of_label))
    chosen = np.concatenate([one[:each] for one in of_label])
    return data.take(np.sort(chance.permutation(chosen)[:rows]))


def run(data: Examples, test: Examples, key: Key, options: dict[str, Any]) -> dict[str, Any]:
    """One measurement: `train` itself, and its model as it is served."""
    rows, seed, head = key
    settings = TrainerSettings.model_validate(
        {"seed": seed, "split": "random", "test_rows": OWN_TEST_ROWS, "head": head, **options}
    )
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        job = Job(draw(data, rows + OWN_TEST_ROWS, seed), Path(folder) / "model", behaviour=False)
        artifact, _ = train(job, settings)
        served = serve(artifact, test.texts, device="cpu", precision="fp32")
    matrix = confusion_matrix(test.labels, served.labels, len(test.label_names))
    return {
        "rows": rows,
        "seed": seed,
        "method": head,
        "accuracy": round(float(accuracy(matrix)), 4),
        "macro_recall": round(float(macro_recall(matrix)), 4),
        "seconds": round(time.monotonic() - began, 1),
    }


def table(lines: list[dict[str, Any]]) -> str:
    """Mean macro-recall and the lowest seed, by rows and method, in Markdown."""
    found: dict[tuple[int, str], list[float]] = defaultdict(list)
    for line in lines:
        found[line["rows"], line["method"]].append(line["macro_recall"])
    shown = ["| rows | " + " | ".join(METHODS) + " |", "|---:|" + "---:|" * len(METHODS)]
    for rows in sorted({rows for rows, _ in found}):
        cells = (found.get((rows, method), []) for method in METHODS)
        words = (f"{statistics.mean(c):.3f} (lowest {min(c):.3f}, n={len(c)})" if c else "-" for c in cells)
        shown.append(f"| {rows} | " + " | ".join(words) + " |")
    return "\n".join(shown)


def main() -> None:
    """Runs what the file does not have, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="labelled rows to draw from")
    parser.add_argument("--test", type=Path, required=True, help="other labelled rows, which measure every run")
    parser.add_argument("--test-rows", type=int, default=2_000, help="at most")
    parser.add_argument("--output", type=Path, required=True, help="JSON lines, one a run")
    parser.add_argument("--rows", default=",".join(map(str, ROWS)), help="numbers of rows, by commas")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--methods", default=",".join(METHODS), help="by commas")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the trainer"
    )
    parser.add_argument("--table", action="store_true", help="only print the table")
    given = parser.parse_args()
    lines = [json.loads(line) for line in given.output.read_text().splitlines()] if given.output.exists() else []
    if not given.table:
        configure_logs("error")
        hush_transformers()
        data, test = read_examples(given.data), read_examples(given.test)
        test = test.take(np.arange(min(len(test), given.test_rows))).in_order_of(data.label_names, whose="--data")
        options = {"base": "minilm"} | dict(one.split("=", 1) for one in given.set)
        done = {(line["rows"], line["seed"], line["method"]) for line in lines}
        wanted = itertools.product(map(int, given.rows.split(",")), range(given.seeds), given.methods.split(","))
        for key in (key for key in wanted if key not in done):
            lines.append(run(data, test, key, options))
            print(json.dumps(lines[-1]), flush=True)
            with given.output.open("a", encoding="utf-8") as file:
                file.write(json.dumps(lines[-1]) + "\n")
    print(table(lines))


if __name__ == "__main__":
    main()
