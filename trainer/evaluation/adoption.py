"""Calibrates and tests an adopted model on labelled texts, and compares it with and without the normaliser."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from shared.errors import InputDataError
from shared.inference.postprocessing import softmax
from shared.model_folder.manifest import Normaliser
from shared.text import NormaliserOptions
from trainer.data.duplicates import remove_duplicates
from trainer.data.near_duplicates import near_duplicate_groups
from trainer.data.splits import halves
from trainer.evaluation.diagnostics.diagnose import diagnose
from trainer.evaluation.drift_reference import drift_reference
from trainer.evaluation.metrics import figures
from trainer.evaluation.postprocessing.fitting import Rows, Wanted, fit_postprocessing
from trainer.evaluation.provenance import rows_of
from trainer.evaluation.report import TEST, AdoptionReport, NormaliserComparison, Report
from trainer.evaluation.serving import serve

if TYPE_CHECKING:
    from shared.model_folder.artifact import Artifact
    from trainer.data.examples import Examples, IntArray
    from trainer.evaluation.diagnostics.stored import Diagnostics
    from trainer.evaluation.serving import Served

MIN_CALIBRATION_ROWS: Final = 100
"""Least rows of each half: fewer would hardly move the fit (`PRIOR_ROWS`), nor say much of the model."""
SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The result of `calibrate`; without arguments, that of a model that is adopted without data."""

    in_manifest: dict[str, Any] = field(default_factory=dict)
    """Fields of the manifest with their new values."""
    report: Report = field(default_factory=Report)
    diagnostics: Diagnostics | None = None
    """Of the test half; None without data."""


def calibrate(artifact: Artifact, examples: Examples, wanted: Wanted, device: str) -> Calibrated:
    """Fits what follows the logits on one half of the rows and computes metrics on the other.

    Raises InputDataError if there are too few.
    `examples` has the labels in the order of the model. Near-duplicates are in one half. The normaliser is
    compared on all rows.
    """
    cleaned = remove_duplicates(examples)
    rows = cleaned.examples
    first, second = halves(near_duplicate_groups(rows.texts), SEED)
    served = serve(artifact, rows.texts, device=device, precision="fp32")
    scored = np.isin(np.arange(len(rows)), served.rows)
    if min(scored[first].sum(), scored[second].sum()) < MIN_CALIBRATION_ROWS:
        raise InputDataError(
            f"{int(scored.sum())} different texts can be scored, and about {2 * MIN_CALIBRATION_ROWS} are needed: "
            "half of them to calibrate, half to test; give more, or adopt without --calibrate"
        )
    gold, place = rows.labels, np.cumsum(scored) - 1
    fitted, tested = first[scored[first]], second[scored[second]]
    known = Rows(served.logits[place[fitted]], gold[fitted])
    fit = fit_postprocessing(known, known, wanted)
    logits, labels = served.logits[place[tested]], artifact.manifest.labels
    found = figures(logits, gold[tested], labels, fit.postprocessing)
    report = AdoptionReport(
        rows={"calibration": len(fitted), TEST: len(tested)},
        left_out={
            "duplicates": cleaned.duplicates,
            "rows with tied labels": cleaned.conflicting,
            "texts without a score": int((~scored).sum()),
        },
        engine=served.engine,
        normaliser=_compare(artifact, rows, served, device),
    )
    everything = np.ones(len(served.rows), np.bool_)  # somebody else trained the weights, on other rows
    return Calibrated(
        in_manifest={
            **fit.in_manifest,
            "calibration": rows_of(rows.take(fitted)),
            "reference": drift_reference(served, everything, fit.postprocessing, labels),
        },
        report=Report(adoption=report, postprocessing=fit.report, evaluations={TEST: found}),
        diagnostics=diagnose(
            rows.take(tested),
            before=softmax(logits),
            after=(probabilities := fit.postprocessing.probabilities(logits)),
            predicted=fit.postprocessing.decide(probabilities),
        ),
    )


def _compare(artifact: Artifact, rows: Examples, served: Served, device: str) -> NormaliserComparison:
    enabled = artifact.manifest.normaliser.options.enabled
    other = serve(_with(artifact, enabled=not enabled), rows.texts, device=device, precision="fp32")
    answers = {enabled: served, not enabled: other}
    both = np.intersect1d(answers[True].rows, answers[False].rows)
    right = {on: _right(answer, rows.labels, both) for on, answer in answers.items()}
    differences = right[True].astype(np.float64) - right[False]
    return NormaliserComparison(
        rows=len(both),
        accuracy_on=float(right[True].mean()),
        accuracy_off=float(right[False].mean()),
        margin=float(1.96 * differences.std() / np.sqrt(len(both))),  # normal approximation
    )


def _right(served: Served, gold: IntArray, rows: IntArray) -> Any:
    """Whether each of `rows` got its true label."""
    answers = served.labels[np.isin(served.rows, rows)]
    return answers == gold[rows]


def _with(artifact: Artifact, *, enabled: bool) -> Artifact:
    options = NormaliserOptions(enabled=enabled)
    normaliser = Normaliser(version=artifact.manifest.normaliser.version, options=options)
    return replace(artifact, manifest=artifact.manifest.model_copy(update={"normaliser": normaliser}))
