"""Fits everything between logits and results on labelled rows: calibration, decision, uncertain threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import structlog

from trainer.evaluation.postprocessing.calibration import Fit, fit_calibration
from trainer.evaluation.postprocessing.decision import choose_decision, choose_threshold
from trainer.evaluation.report import PostprocessingReport, UncertainThreshold

if TYPE_CHECKING:
    from shared.inference.postprocessing import Postprocessing
    from shared.model_folder.manifest import Decision
    from trainer.data.examples import IntArray
    from trainer.evaluation.postprocessing.decision import Rule
    from trainer.models.transformer.predict import FloatArray

log = structlog.get_logger()


class Wanted(NamedTuple):
    """What a user asks of the results."""

    rule: Rule
    uncertain_accuracy: float
    """Accuracy that results which are not uncertain should have."""


DEFAULTS: Final = Wanted("macro-recall", 0.85)


class Rows(NamedTuple):
    """Rows that the engine which serves has scored."""

    logits: FloatArray
    """`[rows, labels]`, before calibration."""
    gold: IntArray
    """True labels `[rows]`."""

    def with_rows(self, other: Rows) -> Rows:
        """These rows and others."""
        return Rows(np.concatenate([self.logits, other.logits]), np.concatenate([self.gold, other.gold]))


@dataclass(frozen=True, slots=True)
class Fitted:
    """The result of `fit_postprocessing`."""

    postprocessing: Postprocessing
    in_manifest: dict[str, Any]
    """Fields of the manifest with their new values."""
    report: PostprocessingReport


def fit_postprocessing(
    calibration: Rows, decision: Rows, wanted: Wanted, *, expected_bias: FloatArray | None = None
) -> Fitted:
    """Fits the calibration on the first rows, and chooses decision and threshold on the others.

    Each needs at least one row. See `fit_calibration` for `expected_bias`. Warns of a fit at a bound, and of an
    accuracy that no threshold has.
    """
    fit = fit_calibration(calibration.logits, calibration.gold, expected_bias=expected_bias)
    if fit.at_bound:
        log.warning("calibration_at_a_bound", temperature=fit.temperature, rows=len(calibration.gold))
    probabilities = fit.postprocessing().probabilities(decision.logits)
    rule = choose_decision(probabilities, decision.gold, wanted.rule)
    postprocessing = fit.postprocessing(np.array(rule.weights))
    labels = postprocessing.decide(probabilities)
    scores = probabilities[np.arange(len(labels)), labels]
    selected = choose_threshold(scores, labels == decision.gold, wanted.uncertain_accuracy)
    if selected is None:
        log.warning("uncertain_accuracy_not_reached", wanted=wanted.uncertain_accuracy, rows=len(labels))
    uncertain = UncertainThreshold(
        wanted_accuracy=wanted.uncertain_accuracy,
        rows=len(decision.gold),
        rows_above=None if selected is None else selected.rows,
        accuracy_above=None if selected is None else selected.accuracy,
        lower_bound=None if selected is None else selected.lower_bound,
    )
    return Fitted(
        postprocessing,
        in_manifest=_in_manifest(fit, rule, None if selected is None else selected.threshold),
        report=PostprocessingReport(
            calibration_rows=len(calibration.gold), at_bound=fit.at_bound, uncertain=uncertain
        ),
    )


def _in_manifest(fit: Fit, rule: Decision, threshold: float | None) -> dict[str, Any]:
    return {
        "temperature": fit.temperature,
        "bias": tuple(fit.bias.tolist()),
        "decision": rule,
        "uncertain_below": threshold,
    }
