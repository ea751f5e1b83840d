"""What contrast rows do: failures of the behaviour suite, and quality on labelled texts, by their number.

    python -m benchmarks.behaviour_experiment --data train.parquet --test validation.parquet --output runs.jsonl

Each run is one JSON line, written when its model is trained and measured. Runs that the file has are skipped, and
an interrupted training goes on from its checkpoint. `--table` prints what the file has, and runs nothing.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from shared.logs import configure_logs
from shared.model_folder.artifact import open_artifact
from trainer.data.readers import column_names, read_examples
from trainer.evaluation.behaviour.measure import measure_behaviour
from trainer.evaluation.evaluate import evaluate
from trainer.models.train import Job, train
from trainer.models.transformer.base import hush_transformers
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from trainer.data.examples import Examples

ROWS: Final = 10_000
COUNTS: Final = (0, 500, 2_000)
OWN_TEST_ROWS: Final = 30
"""Rows that `train` holds out in addition: it needs a test part, and `--test` is the one that counts here."""


def main() -> None:
    """Runs what is not in the file yet, and prints the table."""
    options = _options()
    configure_logs("warning")
    hush_transformers()
    done = _read(options.output)
    if not options.table:
        settings = TrainerSettings(base=options.base, label_column=options.label_column, test_rows=OWN_TEST_ROWS)
        data, test = (read_examples(path, column_names(settings)) for path in (options.data, options.test))
        for seed, count in product(options.seeds, options.counts):
            if (seed, count) in done:
                continue
            sample = data.take(np.sort(np.random.default_rng(seed).permutation(len(data))[: options.rows]))
            chosen = settings.model_copy(update={"seed": seed, "contrast_rows": count})
            folder = options.output.with_name(f"{options.output.stem}-{seed}-{count}")
            done[seed, count] = measured(sample, test, chosen, folder)
            with options.output.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done[seed, count]) + "\n")
    print(table(list(done.values())))


def measured(sample: Examples, test: Examples, settings: TrainerSettings, folder: Path) -> dict[str, Any]:
    """Trains on the sample unless the folder has the model, and measures it as it is served."""
    if not folder.exists():
        train(Job(sample, folder, resume=True, behaviour=False), settings)
    artifact = open_artifact(folder)
    behaviour = measure_behaviour(artifact, device="auto", precision="fp32")
    figures = evaluate(artifact, test, "test", device="auto", precision="fp32", write=False).figures
    tests = {
        f"{name}: {test_name}": result.failure_rate
        for name, capability in behaviour.capabilities.items()
        for test_name, result in capability.tests.items()
    }
    return {
        "seed": settings.seed,
        "contrast_rows": settings.contrast_rows,
        "rows": len(sample),
        "test_rows": figures.rows,
        "suite": behaviour.suite,
        "accuracy": figures.accuracy,
        "macro_recall": figures.macro_recall,
        "ece": figures.calibrated.ece,
        "failures": {name: one.failure_rate for name, one in behaviour.capabilities.items()},
        "tests": tests,
    }


def table(runs: list[dict[str, Any]]) -> str:
    """One column for each run, in Markdown."""
    runs = sorted(runs, key=lambda run: (run["seed"], run["contrast_rows"]))
    heading = ["", *(f"{run['contrast_rows']:,} rows, seed {run['seed']}" for run in runs)]
    lines = [heading, ["---", *("---:" for _ in runs)]]
    lines += [[name, *(f"{run[name]:.3f}" for run in runs)] for name in ("accuracy", "macro_recall", "ece")]
    for part in ("failures", "tests"):
        names = dict.fromkeys(name for run in runs for name in run[part])
        lines += [[name, *(f"{run[part][name]:.1%}" for run in runs)] for name in names]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _read(path: Path) -> dict[tuple[int, int], dict[str, Any]]:
    if not path.exists():
        return {}
    runs = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {(run["seed"], run["contrast_rows"]): run for run in runs}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="labelled texts to train on")
    parser.add_argument("--test", type=Path, required=True, help="labelled texts to measure on")
    parser.add_argument("--output", type=Path, required=True, help="JSON lines; models are put next to it")
    parser.add_argument("--base", default="minilm")
    parser.add_argument("--label-column", default="label_name")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows to train on")
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="contrast rows to add")
    parser.add_argument("--seeds", type=int, nargs="+", default=(0,))
    parser.add_argument("--table", action="store_true", help="print what the file has")
    return parser.parse_args()


if __name__ == "__main__":
    main()
