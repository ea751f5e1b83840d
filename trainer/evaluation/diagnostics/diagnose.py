"""Computes all diagnostics of the test rows."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainer.evaluation.diagnostics.curves import confidence_bins, label_curves
from trainer.evaluation.diagnostics.errors import suspected, suspects, worst
from trainer.evaluation.diagnostics.slices import slices
from trainer.evaluation.diagnostics.stored import Diagnostics

if TYPE_CHECKING:
    from trainer.data.examples import Examples, IntArray
    from trainer.models.transformer.predict import FloatArray


def diagnose(
    examples: Examples,
    before: FloatArray,
    after: FloatArray,
    predicted: IntArray,
    *,
    command: str | None = None,
) -> Diagnostics:
    """All diagnostics of at least one row.

    `before` and `after` are probabilities `[rows, labels]` before and after calibration, `predicted` the labels
    `[rows]` that the model folder chooses.
    """
    gold = examples.labels
    likely = suspects(after, predicted, gold)
    return Diagnostics(
        command=command,
        machine=machine(),
        rows=len(gold),
        uncalibrated=confidence_bins(before, before.argmax(axis=1), gold),
        calibrated=confidence_bins(after, predicted, gold),
        labels=label_curves(after, gold, examples.label_names),
        slices=slices(examples, predicted, after[np.arange(len(gold)), predicted]),
        errors=int((predicted != gold).sum()),
        worst=worst(examples, after, predicted),
        suspects=len(likely),
        suspected=suspected(examples, after, predicted, likely),
    )


def machine() -> dict[str, str]:
    """The system, processor and cores of this machine; no names of it or of its user."""
    return {"system": f"{platform.system()} {platform.release()}", "processor": _processor(), "cores": _cores()}


def _cores() -> str:
    return str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
