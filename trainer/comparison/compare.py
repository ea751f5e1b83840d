"""Trains or loads models, and scores the same test rows with each, one after the other.

A model that is finished is kept in the output folder: a comparison that was interrupted goes on with the next.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np
import structlog

from shared.errors import SettingsError
from shared.model_folder.artifact import MANIFEST, open_artifact
from shared.terminal import few
from trainer.comparison.answers import Answers, Facts, claim, identity, read, write
from trainer.comparison.overlap import seen
from trainer.data.sample import NOTHING, draw_sample
from trainer.evaluation.postprocessing.calibration import fit_calibration
from trainer.evaluation.report import read_report
from trainer.evaluation.serving import scoring
from trainer.models.baselines.training import train_baseline
from trainer.models.baselines.vader import Vader
from trainer.models.cnn.training import train_cnn
from trainer.models.linear.training import wants_linear_head
from trainer.models.train import Job, train

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shared.model_folder.artifact import Artifact
    from trainer.comparison.entrants import Entrant
    from trainer.data.examples import Examples
    from trainer.data.splits import Splits
    from trainer.settings import TrainerSettings

MIN_MEASURED_S: Final = 2.0
"""Texts are scored again until this has passed: baselines take 0.1 s for a thousand."""

log = structlog.get_logger()
T = TypeVar("T")


def compare(
    examples: Examples,
    found: Sequence[Entrant],
    settings: TrainerSettings,
    output: Path,
    given: Mapping[str, Examples] = NOTHING,
) -> tuple[Splits, list[Answers]]:
    """The parts, and the answers of each model in their order; raises SentimentError with what to do.

    `given` has parts from files of their own, by name.

    First all models are trained, then each is measured: a rate is not that of a machine that trains another.
    """
    splits = draw_sample(examples, settings, given).splits
    for entrant in found:  # before the first hour of training
        if entrant.kind == "reference":
            Vader(splits.test.label_names)
        if entrant.kind == "folder":
            _check_labels(open_artifact(Path(entrant.name)), splits)
    rows = [getattr(splits, name).fingerprint() for name in ("train", "validation", "calibration", "test")]
    options = settings.model_dump(mode="json", exclude={"cache_dir", "model", "base"})
    for entrant in found:
        claim(output / entrant.key, identity(entrant.name, entrant.kind, rows, options, _version(entrant)))
    known = {one.name: read(output / one.key) for one in found}
    for entrant in found:
        if known[entrant.name] is None and entrant.kind in {"baseline", "cnn", "base"}:
            _train(entrant, Job(examples, model_folder(output, entrant), given), settings)
    answers = []
    for entrant in found:
        done = known[entrant.name]
        if done is None:
            log.info("measuring", model=entrant.name, rows=len(splits.test))
            done = _measure(entrant, splits, settings, output)
            write(output / entrant.key, done)
        answers.append(done)
    return splits, answers


def model_folder(output: Path, entrant: Entrant) -> Path:
    """The folder of a model: of one that is trained, within the output."""
    return Path(entrant.name) if entrant.kind == "folder" else output / entrant.key / "model"


def _version(entrant: Entrant) -> str | None:
    return open_artifact(Path(entrant.name)).version if entrant.kind == "folder" else None


def _train(entrant: Entrant, job: Job, settings: TrainerSettings) -> None:
    if (job.output / MANIFEST).is_file():  # trained before, and interrupted before it was measured
        return
    job.output.parent.mkdir(parents=True, exist_ok=True)
    log.info("training_for_comparison", model=entrant.name)
    # The table has no place for the behaviour suite.
    job = replace(job, name=entrant.name, behaviour=False, began=time.monotonic())
    if entrant.kind == "baseline":
        train_baseline(job, settings.model_copy(update={"model": entrant.name}))
    elif entrant.kind == "cnn":
        train_cnn(replace(job, resume=True), settings)
    else:
        # Resumed from its own checkpoint if the comparison was interrupted during it; a linear head has none.
        resume = not wants_linear_head(job.examples, settings, resume=False)
        train(replace(job, resume=resume), settings.model_copy(update={"base": entrant.name}))


def _measure(entrant: Entrant, splits: Splits, settings: TrainerSettings, output: Path) -> Answers:
    if entrant.kind == "reference":
        return _reference(entrant, splits)
    folder = model_folder(output, entrant)
    artifact = open_artifact(folder)
    order = _check_labels(artifact, splits)
    with scoring(artifact, device=settings.device, precision="auto") as score:
        served, texts_per_s = timed(score, splits.test.texts)
    training = read_report(artifact).training
    facts = Facts(
        name=entrant.name,
        version=artifact.version,
        engine=served.engine,
        texts_per_s=texts_per_s,
        train_s=training.seconds if training else None,
        bytes_on_disk=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        seen=seen(artifact, splits) if entrant.kind == "folder" else None,
    )
    labels = np.argsort(order)[served.labels]  # the place in the data of each label of the model
    return Answers(facts, served.rows, served.probabilities[:, order], labels)


def _reference(entrant: Entrant, splits: Splits) -> Answers:
    """VADER decides by its own rule; its probabilities are calibrated as every model's."""
    vader = Vader(splits.test.label_names)
    logits, texts_per_s = timed(vader.logits, splits.test.texts)
    fit = fit_calibration(vader.logits(splits.calibration.texts), splits.calibration.labels)
    facts = Facts(
        name=entrant.name,
        version=None,
        engine="vaderSentiment",
        texts_per_s=texts_per_s,
        train_s=None,
        bytes_on_disk=None,
        seen=None,
    )
    probabilities = fit.postprocessing().probabilities(logits)
    return Answers(facts, np.arange(len(logits)), probabilities, logits.argmax(axis=1))


def _check_labels(artifact: Artifact, splits: Splits) -> list[int]:
    """For each label of the data its place in the model; raises SettingsError if they are not the same labels."""
    theirs, ours = artifact.manifest.labels, splits.test.label_names
    if sorted(theirs) != sorted(ours):
        raise SettingsError(
            f"{artifact.path} has the labels {few(theirs)}, and these data "
            f"{few(ours)}; leave it out of --models, or rename labels with --label-map"
        )
    return [theirs.index(label) for label in ours]


def timed(score: Callable[[Sequence[str]], T], texts: Sequence[str]) -> tuple[T, float]:
    """The answers, and texts a second over whole passes that take MIN_MEASURED_S or more."""
    began, passes = time.monotonic(), 0
    while True:
        answers = score(texts)
        passes += 1
        if (took := time.monotonic() - began) >= MIN_MEASURED_S:
            return answers, passes * len(texts) / took
