"""A model with mean pooling answers as plain torch does, text by text, in each engine that serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from shared.errors import ArtifactError
from shared.inference.engines.openvino.engine import OpenVinoEngine
from shared.inference.engines.torch.loading import load_model
from shared.inference.engines.torch.packed_model import supports
from shared.inference.engines.torch.padded import PaddedEngine
from shared.inference.engines.torch.pooling import output_layer
from shared.model_folder.artifact import Artifact, open_artifact, seal
from shared.model_folder.manifest import Pooling
from tests.support.plain import plain_model
from tests.support.tiny import tiny_model, tiny_model_of

if TYPE_CHECKING:
    from pathlib import Path

    from shared.inference.engines.base import Ids

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

TOLERANCE = 1e-5


def _pooled(folder: Path, *layers: int) -> Artifact:
    artifact = open_artifact(folder)
    return seal(folder, artifact.manifest.model_copy(update={"pooling": Pooling(layers=layers)}))


def _rows() -> list[Ids]:
    """Rows of 1 to 40 tokens, shuffled."""
    chance = np.random.default_rng(0)
    return [chance.integers(5, 300, length).astype(np.int32) for length in chance.permutation(np.arange(1, 41))]


@torch.inference_mode()
def _expected(folder: Path, layers: tuple[int, ...], rows: list[Ids]) -> Any:
    """In plain torch, one row at a time, without a mask."""
    model, _ = plain_model(folder)
    logits = []
    for row in rows:
        states = model.base_model(torch.from_numpy(row[None]).long(), output_hidden_states=True).hidden_states
        mean = torch.stack([states[layer][0] for layer in layers]).mean(0).mean(0)
        logits.append(output_layer(model)(mean).numpy())
    return np.array(logits)


@pytest.mark.parametrize("layers", [(1,), (2,), (1, 2)])
@pytest.mark.parametrize("architecture", ["bert", "roberta", "xlm-roberta", "electra", "distilbert", "mpnet"])
def test_both_engines_answer_as_plain_torch(architecture: str, layers: tuple[int, ...], tmp_path: Path) -> None:
    """Given rows of many lengths in one padded pass, when scored, then each has the logits that it has alone."""
    artifact = _pooled(tiny_model_of(tmp_path / "model", architecture), *layers)
    rows = _rows()
    expected = _expected(artifact.path, layers, rows)
    for engine in (PaddedEngine(artifact, torch.device("cpu")), OpenVinoEngine(artifact, "fp32")):
        assert engine.forward(rows).logits == pytest.approx(expected, abs=TOLERANCE), engine.name


def test_pooling_is_part_of_the_version(tmp_path: Path) -> None:
    """It changes every answer; a folder without it keeps the version that it had."""
    before = open_artifact(tiny_model(tmp_path / "model"))
    assert _pooled(tmp_path / "model", 1).version != _pooled(tmp_path / "model", 2).version
    assert seal(tmp_path / "model", before.manifest).version == before.version


def test_packed_passes_are_not_for_pooled_models(tmp_path: Path) -> None:
    """They compute first tokens only."""
    assert supports(open_artifact(tiny_model(tmp_path / "model")))
    assert not supports(_pooled(tmp_path / "model", 1))


@pytest.mark.parametrize("layers", [(3,), (1, 9)])
def test_a_layer_that_the_model_does_not_have_is_refused(layers: tuple[int, ...], tmp_path: Path) -> None:
    """By both engines, before anything is scored."""
    artifact = _pooled(tiny_model(tmp_path / "model"), *layers)
    with pytest.raises(ArtifactError, match="train it again"):
        load_model(artifact)
    with pytest.raises(ArtifactError, match="train it again"):
        OpenVinoEngine(artifact, "fp32")
