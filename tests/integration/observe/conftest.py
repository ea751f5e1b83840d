"""A model that drift is watched for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.drift.features import Results, reference_of
from shared.inference.engines.select import load_scorer
from shared.inference.scheduler import Scheduler
from shared.inference.types import Score
from shared.model_folder.artifact import open_artifact, seal
from tests.integration.load import TEXTS, text
from tests.support.tiny import tiny_model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with random weights, and the statistics of what it says of the texts of `Load`."""
    folder = tiny_model(tmp_path_factory.mktemp("model") / "watched")
    artifact = open_artifact(folder)
    scheduler = Scheduler(load_scorer(artifact, "cpu", "fp32"))
    scores = [one for one in scheduler.score([text(number) for number in range(TEXTS)]) if isinstance(one, Score)]
    scheduler.close(10.0)
    reference = reference_of(Results.of(scores), artifact.manifest.labels)
    seal(folder, artifact.manifest.model_copy(update={"reference": reference}))
    return folder
