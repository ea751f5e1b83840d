"""`evaluate` and the stream give the same probabilities: they run the same code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from consumer.settings import Limits
from shared.inference.engines.select import load_scorer
from shared.model_folder.artifact import open_artifact
from tests.support.fakes import OUTPUT, text_value
from tests.support.tiny import LABELS, tiny_model
from tests.support.world import World
from trainer.evaluation.serving import serve

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = [f"{word} {' '.join('abc' * (number % 7))} {number}" for number in range(60) for word in ("good", "bad")]
TOLERANCE = 1e-5
"""Of passes in fp32 that differ in their padding."""


@pytest.mark.parametrize(("batch_records", "tolerance"), [(len(TEXTS), 0.0), (7, TOLERANCE)])
def test_evaluate_gives_the_probabilities_that_the_stream_publishes(
    tmp_path: Path, batch_records: int, tolerance: float
) -> None:
    """In the same batch the same bits, six decimals of which are published; else the same within rounding."""
    artifact = open_artifact(tiny_model(tmp_path / "model"))
    served = serve(artifact, TEXTS, device="cpu", precision="fp32")
    world = World(
        limits=Limits(batch_records=batch_records, read_wait_s=0.01),
        partitions=1,
        scorer=load_scorer(artifact, "cpu", "fp32"),
    )
    for text in TEXTS:
        world.kafka.produce(text_value(text))

    world.run()

    published = [json.loads(one.value or b"")["probabilities"] for one in world.kafka.partitions(OUTPUT)[0]]
    expected = [
        dict(zip(LABELS, (round(share, 6) for share in row), strict=True)) for row in served.probabilities.tolist()
    ]
    assert len(published) == len(TEXTS)
    for found, wanted in zip(published, expected, strict=True):
        assert found == (pytest.approx(wanted, abs=tolerance) if tolerance else wanted)
