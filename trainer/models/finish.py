"""What follows the fit of any model: calibration, test, behaviour suite, gates, and the sealed folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
import structlog

from shared.errors import InputDataError, SettingsError
from shared.inference.postprocessing import Postprocessing, softmax
from trainer.data.labels.polarity import polarity_of
from trainer.data.parts import PARTS
from trainer.evaluation.behaviour.measure import measure_behaviour
from trainer.evaluation.diagnostics.diagnose import diagnose
from trainer.evaluation.drift_reference import drift_reference
from trainer.evaluation.gates import Gates, gates_of
from trainer.evaluation.metrics import figures
from trainer.evaluation.postprocessing.fitting import Fitted, Rows, Wanted, fit_postprocessing
from trainer.evaluation.report import TEST, Report, headline
from trainer.evaluation.serving import serve
from trainer.models.model_folder import publish

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from shared.model_folder.artifact import Artifact
    from shared.model_folder.manifest import Manifest
    from trainer.data.examples import Examples
    from trainer.data.splits import Splits
    from trainer.evaluation.diagnostics.stored import Diagnostics
    from trainer.evaluation.metrics import Figures
    from trainer.evaluation.report import TrainingReport
    from trainer.models.train import Job
    from trainer.models.transformer.predict import FloatArray
    from trainer.settings import TrainerSettings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tested:
    """What was found on the test rows, and the engine that scored them."""

    figures: Figures
    engine: str
    diagnostics: Diagnostics


def calibrate_and_test(
    raw: Artifact,
    splits: Splits,
    device: str,
    wanted: Wanted,
    *,
    command: str | None,
    expected_bias: FloatArray | None = None,
) -> tuple[Fitted, Tested]:
    """Fits what follows the logits and computes the test metrics, in fp32 with the engine that serves here.

    The decision and the uncertain threshold have the validation rows too: no step fitted the weights to them. The
    same rows give the reference statistics for drift.
    """
    parts = {name: getattr(splits, name) for name in PARTS if name != "train"}
    texts = [text for part in parts.values() for text in part.texts]
    # All at once: each call loads the engine.
    served = serve(raw, texts, device=device, precision="fp32")
    gold = np.concatenate([part.labels for part in parts.values()])[served.rows]
    part_of = np.repeat(list(parts), [len(part) for part in parts.values()])[served.rows]
    rows = {name: Rows(served.logits[part_of == name], gold[part_of == name]) for name in parts}
    if empty := [name for name in ("calibration", TEST) if not len(rows[name].gold)]:
        raise InputDataError(f"no text of the {' and the '.join(empty)} rows can be scored; check the data")
    calibration = rows["calibration"]
    fitted = fit_postprocessing(
        calibration, calibration.with_rows(rows["validation"]), wanted, expected_bias=expected_bias
    )
    reference = drift_reference(served, part_of == "validation", fitted.postprocessing, raw.manifest.labels)
    fitted = replace(fitted, in_manifest={**fitted.in_manifest, "reference": reference})
    test = parts[TEST].take(served.rows[part_of == TEST] - (len(texts) - len(parts[TEST])))
    tested = _tested(rows[TEST], test, raw.manifest, fitted.postprocessing, engine=served.engine, command=command)
    return fitted, tested


def tested_with(
    raw: Artifact, test: Examples, device: str, postprocessing: Postprocessing, *, command: str | None
) -> Tested:
    """Computes the test metrics, in fp32 with the engine that serves here; the model is calibrated already."""
    served = serve(raw, test.texts, device=device, precision="fp32")
    scored = test.take(served.rows)
    if not len(scored):
        raise InputDataError("no text of the test rows can be scored; check the data")
    rows = Rows(served.logits, scored.labels)
    return _tested(rows, scored, raw.manifest, postprocessing, engine=served.engine, command=command)


def _tested(
    rows: Rows,
    test: Examples,
    manifest: Manifest,
    postprocessing: Postprocessing,
    *,
    engine: str,
    command: str | None,
) -> Tested:
    probabilities = postprocessing.probabilities(rows.logits)
    diagnostics = diagnose(
        test,
        before=softmax(rows.logits),
        after=probabilities,
        predicted=postprocessing.decide(probabilities),
        command=command,
    )
    return Tested(figures(*rows, manifest.labels, postprocessing), engine, diagnostics)


@dataclass(frozen=True, slots=True)
class Finish:
    """What is asked of a model before it is published."""

    job: Job
    device: str
    wanted: Wanted
    gates: Gates
    polarity: Mapping[str, int] | None

    @classmethod
    def of(cls, job: Job, settings: TrainerSettings) -> Self:
        """Checks the settings against the labels; raises SettingsError. Call before training."""
        polarity = polarity_of(job.examples.label_names, settings.polarity)
        gates = gates_of(settings)
        gates.check_labels(job.examples.label_names, polarity)
        if gates.max_failures and not job.behaviour:
            raise SettingsError("--max-failures needs the behaviour suite; leave out --no-behaviour")
        return cls(job, settings.device, Wanted(settings.decide, settings.uncertain_accuracy), gates, polarity)

    def publish(
        self, folder: Path, raw: Artifact, fitted: Fitted | None, tested: Tested, training: TrainingReport
    ) -> tuple[Artifact, Report]:
        """Runs the behaviour suite, and writes card and metrics; raises GatesMissed, and then seals nothing.

        `fitted` is None for a model with too few rows to calibrate.
        """
        found = fitted.in_manifest if fitted else {}
        manifest = raw.manifest.model_copy(update={**found, "polarity": self.polarity})
        behaviour = None
        if self.job.behaviour:
            judged = replace(raw, manifest=manifest)
            behaviour = measure_behaviour(judged, device=self.device, precision="fp32")
        report = Report(
            training=training,
            postprocessing=fitted.report if fitted else None,
            evaluations={TEST: tested.figures},
            behaviour=behaviour,
        )
        # A model that misses a gate is not published, and these lines are all that is left of its figures.
        log.info("tested", **headline(report)[TEST])
        if behaviour and not behaviour.skipped:
            log.info("behaviour", **behaviour.failure_rates())
        if self.job.tracker:
            tested_now = {f"test/{name}": float(value) for name, value in headline(report)[TEST].items()}
            self.job.tracker.values(training.best_step or 0, tested_now)
        missed = f"nothing was written to {self.job.output}"
        self.gates.require(tested.figures, behaviour, "the trained model", missed)
        return publish(folder, manifest, report, tested.diagnostics, self.job.quality), report
