"""The reference statistics of a model are those of the results that the consumer would publish."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from shared.drift.features import FEATURES, Bins, Results
from shared.inference.engines.select import load_scorer
from shared.inference.scheduler import Scheduler
from shared.inference.types import Score
from shared.model_folder.artifact import open_artifact, seal
from tests.support.tiny import LABELS, tiny_model, write_data
from trainer.data.readers import read_examples
from trainer.data.splits import Splits
from trainer.evaluation.postprocessing.fitting import DEFAULTS
from trainer.models.finish import calibrate_and_test

if TYPE_CHECKING:
    from pathlib import Path

    from shared.model_folder.artifact import Artifact

pytestmark = pytest.mark.usefixtures("one_thread")


def finished(folder: Path, validation: int) -> tuple[Artifact, Splits]:
    """A tiny model, calibrated and tested on made-up rows, `validation` of which are the validation part."""
    raw = open_artifact(tiny_model(folder / "model"))
    rows = read_examples(write_data(folder / "data.parquet", validation + 120))
    first, last = 40, 40 + validation
    train, held_back, calibration, test = (
        rows.take(np.arange(*ends))
        for ends in ((0, first), (first, last), (last, last + 40), (last + 40, last + 80))
    )
    splits = Splits(train, held_back, calibration, test, order="random", dropped=0)
    fitted, _ = calibrate_and_test(raw, splits, "cpu", DEFAULTS, command=None)
    return seal(raw.path, raw.manifest.model_copy(update=fitted.in_manifest)), splits


def test_a_reference_has_the_statistics_of_what_is_served(tmp_path: Path) -> None:
    """Given a calibrated model, when its validation texts are served, then the histograms are equal."""
    artifact, splits = finished(tmp_path, 150)
    reference = artifact.manifest.reference
    assert reference is not None
    assert reference.rows == 150

    scheduler = Scheduler(load_scorer(artifact, "cpu", "fp32"))
    answers = scheduler.score(splits.validation.texts)
    scheduler.close(1.0)

    served = Results.of([answer for answer in answers if isinstance(answer, Score)])
    bins = Bins(reference, LABELS)
    counts = bins.counts(served.values())
    # The reference goes back from probabilities to logits: a value next to an edge may be on its other side.
    assert all(np.abs(counts[name] - bins.reference[name]).sum() <= 2 for name in FEATURES)


def test_with_few_validation_rows_there_is_none(tmp_path: Path) -> None:
    """Given fewer validation rows than a reference needs, when a model is finished, then it has none."""
    artifact, _ = finished(tmp_path, 60)

    assert artifact.manifest.reference is None
