"""What settings of the trainer do: quality on labelled texts, and failures of the behaviour suite.

    python -m benchmarks.training.recipe --data train.parquet --test validation.parquet later.parquet \
        --output runs.jsonl --variant '' --variant ema_decay=0 --variant contrast_rows=500

All variants are trained on the same sample. Each run is one JSON line, written when its model is trained and
measured. Runs that the file has are skipped, and an interrupted training goes on from its checkpoint. `--table`
prints what the file has, and runs nothing.
"""

from __future__ import annotations

import argparse
import json
import re
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
OWN_TEST_ROWS: Final = 30
"""Rows that `train` holds out in addition: it needs a test part, and `--test` is the one that counts here."""


def main() -> None:
    """Runs what is not in the file yet, and prints the table."""
    options = _options()
    configure_logs("warning")
    hush_transformers()
    done = _read(options.output)
    if not options.table:
        common = {
            "base": options.base,
            "label_column": options.label_column,
            "split": "random",
            "test_rows": OWN_TEST_ROWS,
        }
        settings = TrainerSettings.model_validate(common)
        data, *tests = (read_examples(path, column_names(settings)) for path in (options.data, *options.test))
        tests_by_name = {path.stem: test for path, test in zip(options.test, tests, strict=True)}
        for seed, variant in product(options.seeds, options.variant or [""]):
            if (seed, variant) in done:
                continue
            sample = data.take(np.sort(np.random.default_rng(seed).permutation(len(data))[: options.rows]))
            changed = dict(one.split("=", 1) for one in variant.split())
            chosen = TrainerSettings.model_validate({**common, "seed": seed, **changed})
            slug = re.sub(r"[^\w.]+", "-", variant) or "default"
            folder = options.output.with_name(f"{options.output.stem}-{seed}-{slug}")
            done[seed, variant] = {
                "seed": seed,
                "variant": variant,
                "rows": len(sample),
                **measured(sample, tests_by_name, chosen, folder),
            }
            with options.output.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done[seed, variant]) + "\n")
    print(table(list(done.values())))


def measured(
    sample: Examples, tests: dict[str, Examples], settings: TrainerSettings, folder: Path
) -> dict[str, Any]:
    """Trains on the sample unless the folder has the model, and measures it as it is served."""
    if not folder.exists():
        train(Job(sample, folder, resume=True, behaviour=False), settings)
    artifact = open_artifact(folder)
    quality: dict[str, float] = {}
    for name, test in tests.items():
        figures = evaluate(artifact, test, name, device="auto", precision="fp32", write=False).figures
        quality |= {
            f"{name}: accuracy": figures.accuracy,
            f"{name}: macro-recall": figures.macro_recall,
            f"{name}: NLL": figures.calibrated.nll,
            f"{name}: ECE": figures.calibrated.ece,
        }
    behaviour = measure_behaviour(artifact, device="auto", precision="fp32")
    failures = {name: one.failure_rate for name, one in behaviour.capabilities.items()}
    worst = {
        f"{name}: {test}": result.failure_rate
        for name, capability in behaviour.capabilities.items()
        for test, result in capability.tests.items()
    }
    return {"quality": quality, "suite": behaviour.suite, "failures": failures, "tests": worst}


def table(runs: list[dict[str, Any]]) -> str:
    """One column for each run, in Markdown."""
    heading = ["", *(f"{run['variant'] or 'default'}, seed {run['seed']}" for run in runs)]
    lines = [heading, ["---", *("---:" for _ in runs)]]
    lines += [[name, *(f"{run['quality'][name]:.3f}" for run in runs)] for name in runs[0]["quality"]]
    for part in ("failures", "tests"):
        names = dict.fromkeys(name for run in runs for name in run[part])
        lines += [[name, *(f"{run[part][name]:.1%}" for run in runs)] for name in names]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _read(path: Path) -> dict[tuple[int, str], dict[str, Any]]:
    if not path.exists():
        return {}
    runs = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {(run["seed"], run["variant"]): run for run in runs}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="labelled texts to train on")
    parser.add_argument("--test", type=Path, nargs="+", required=True, help="labelled texts to measure on")
    parser.add_argument("--output", type=Path, required=True, help="JSON lines; models are put next to it")
    parser.add_argument("--base", default="minilm")
    parser.add_argument("--label-column", default="label_name")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows to train on")
    parser.add_argument(
        "--variant",
        action="append",
        metavar="'NAME=VALUE …'",
        help="settings of the trainer that differ from its defaults; '' (default): none; can be given again",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=(0,))
    parser.add_argument("--table", action="store_true", help="print what the file has")
    return parser.parse_args()


if __name__ == "__main__":
    main()
