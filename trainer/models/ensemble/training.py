"""From sealed models and labelled texts to a sealed ensemble: the same parts and calibration as any model's."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog

from shared.errors import InputDataError, SettingsError
from shared.model_folder.artifact import open_artifact, seal
from shared.model_folder.manifest import Base, Manifest
from shared.terminal import few, show
from trainer.comparison.overlap import FITTED, SAME, rows_seen, seen
from trainer.data.examples import write_examples
from trainer.data.parts import PARTS, write_parts
from trainer.data.sample import draw_sample
from trainer.evaluation.chance import doubts_after
from trainer.evaluation.provenance import libraries, rows_of
from trainer.evaluation.report import TrainingReport
from trainer.evaluation.serving import scoring_members
from trainer.models.ensemble.folder import MAX_MEMBERS, copy_members, ensemble_of, write_config
from trainer.models.ensemble.weights import equal_weights, fit_weights
from trainer.models.finish import Finish, calibrate_and_test
from trainer.models.model_folder import check_output, replacing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shared.model_folder.artifact import Artifact
    from trainer.data.sample import Sample
    from trainer.data.splits import Splits
    from trainer.evaluation.report import Report
    from trainer.models.train import Job
    from trainer.models.transformer.predict import FloatArray
    from trainer.settings import TrainerSettings

Method = Literal["mean", "stack"]
NAMES: Final[dict[Method, str]] = {"mean": "mean", "stack": "weighted mean"}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Joined:
    """One member, for people."""

    name: str
    version: str
    weight: float
    saw_calibration: str
    """What is known of the calibration rows that its weights were fitted to; see `seen`."""
    saw_test: str


def make_ensemble(
    members: Sequence[Path], method: Method, job: Job, settings: TrainerSettings
) -> tuple[Artifact, Report, list[Joined]]:
    """Copies, joins, calibrates, tests and seals models; raises SentimentError with what to do."""
    check_output(job.output, overwrite=job.overwrite)
    finish = Finish.of(job, settings)
    _check([open_artifact(member) for member in members], job.examples.label_names)
    sample = draw_sample(job.examples, settings, job.given)
    for note in sample.notes:
        show(note)
    splits = sample.splits
    if job.held_out:
        write_examples(splits.test, job.held_out)
    with replacing(job.output) as folder:
        copies = copy_members(folder, members)
        if method == "stack":
            _check_stacking(copies, splits)
        weights = _weights(copies, method, splits, settings.device)
        joined = [
            Joined(
                one.manifest.name,
                one.version,
                weight,
                saw_calibration=seen(one, splits, "calibration", FITTED),
                saw_test=seen(one, splits),
            )
            for one, weight in zip(copies, weights.tolist(), strict=True)
        ]
        log.info("joined", method=method, weights={one.version: round(one.weight, 4) for one in joined})
        write_config(folder, splits.train.label_names, copies, weights)
        write_parts(folder, splits)
        name = job.name or job.output.absolute().name
        raw = seal(folder, _manifest(name, copies, joined, sample, method=method, settings=settings))
        fitted, tested = calibrate_and_test(raw, splits, settings.device, finish.wanted, command=job.command)
        for note in (found := doubts_after(tested.figures)):
            log.warning("training_in_doubt", note=note)
        training = TrainingReport(
            rows={part: len(getattr(splits, part)) for part in PARTS},
            order=splits.order,
            left_out=sample.left_out,
            notes=[*sample.notes, *map(_note, joined), *found],
            seconds=round(time.monotonic() - job.began, 1),
            best_step=None,
            engine=tested.engine,
            history=[],
        )
        artifact, report = finish.publish(folder, raw, fitted, tested, training)
    return replace(artifact, path=job.output), report, joined  # it was sealed under its temporary name


def _check(members: Sequence[Artifact], labels: Sequence[str]) -> None:
    """Raises SettingsError for too few or too many members, one given twice, and labels that differ."""
    if not 2 <= len(members) <= MAX_MEMBERS:  # noqa: PLR2004 - an average needs two
        raise SettingsError(f"an ensemble has 2 to {MAX_MEMBERS} models, and {len(members)} are given")
    of_version: dict[str, Artifact] = {}
    for one in members:
        if one.version in of_version:
            raise SettingsError(
                f"{one.path} is the same model as {of_version[one.version].path} (version {one.version}); give "
                "each once"
            )
        of_version[one.version] = one
        if sorted(one.manifest.labels) != sorted(labels):
            raise SettingsError(
                f"{one.path} has the labels {few(one.manifest.labels)}, and these data {few(labels)}: models of "
                "an ensemble have the same; leave it out, or rename labels of the data with --label-map"
            )


def _check_stacking(members: Sequence[Artifact], splits: Splits) -> None:
    """Raises InputDataError if a member was fitted to rows that the weights would be fitted to."""
    for one in members:
        if rows := rows_seen(one, splits, "calibration", FITTED):
            raise InputDataError(
                f"--method stack: {one.manifest.name} ({one.version}) was trained on {rows:,} of the calibration "
                "rows, which would favour it; give --calibration FILE with other rows, or use --method mean"
            )


def _weights(members: Sequence[Artifact], method: Method, splits: Splits, device: str) -> FloatArray:
    equal = equal_weights(len(members))
    if method == "mean":
        return equal
    calibration = splits.calibration
    ensemble = ensemble_of(members, equal, calibration.label_names)
    with scoring_members(ensemble, device=device, precision="fp32") as score:
        answers = score(calibration.texts)
    found = ensemble.aligned([one.probabilities for one in answers])
    return fit_weights(found, calibration.labels[answers[0].rows])


def _note(member: Joined) -> str:
    return (
        f"Member {member.name} ({member.version}): weight {member.weight:.3f}; saw calibration rows: "
        f"{member.saw_calibration}; saw test rows: {member.saw_test}."
    )


def _manifest(
    name: str,
    members: Sequence[Artifact],
    joined: Sequence[Joined],
    sample: Sample,
    *,
    method: Method,
    settings: TrainerSettings,
) -> Manifest:
    train = sample.splits.train
    same = all(one.saw_test == SAME for one in joined)
    training: dict[str, Any] = {
        "method": method,
        **{
            f"member {number}": f"{one.name} {one.version}, weight {one.weight:.4f}"
            for number, one in enumerate(joined, 1)
        },
        "seed": settings.seed,
        "split": sample.splits.order,
        **{f"{part}_rows": len(getattr(sample.splits, part)) for part in PARTS},
        "label_map": settings.label_map or "none",
    }
    return Manifest(
        kind="ensemble",
        name=name,
        labels=train.label_names,
        max_tokens=max(one.manifest.max_tokens for one in members),
        class_priors={label: rows / len(train) for label, rows in train.counts().items()} if same else None,
        base=Base(
            name=f"{NAMES[method]} of {len(members)} models", revision=" ".join(one.version for one in joined)
        ),
        data=rows_of(train) if same else None,
        calibration=rows_of(sample.splits.calibration),
        training=training,
        libraries=libraries(),
        created_at=datetime.now(UTC).replace(microsecond=0),
    )
