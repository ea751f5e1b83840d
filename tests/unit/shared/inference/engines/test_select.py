"""The engine that a model gets, and the message if it is not the fastest."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest
import torch
from structlog.testing import capture_logs

from shared.errors import ScorerError, SettingsError
from shared.inference.engines import select as choose
from shared.inference.engines.openvino.bert_shape import UnknownArchitecture
from shared.inference.engines.openvino.runtime import native_precision
from shared.inference.engines.select import load_scorer
from shared.model_folder.artifact import Artifact, open_artifact
from tests.support.tiny import tiny_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CUDA = torch.device("cuda:0")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A sealed tiny model."""
    return open_artifact(tiny_model(tmp_path_factory.mktemp("tiny") / "model"))


@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_a_cpu_gets_openvino(artifact: Artifact, precision: choose.Precision) -> None:
    """Given OpenVINO, when loaded for the CPU, then it serves in the requested precision."""
    with capture_logs() as lines:
        described = load_scorer(artifact, "cpu", precision).describe()

    assert described["engine"].startswith("openvino ")
    assert f" {native_precision() if precision == 'auto' else precision}, lean" in described["engine"]
    assert "engine_falls_back" not in {line["event"] for line in lines}


def without_openvino(patch: pytest.MonkeyPatch) -> None:
    """An environment without the extra `cpu`."""
    patch.setattr(choose, "find_spec", lambda name: None if name == "openvino" else importlib.util.find_spec(name))


def of_unknown_architecture(patch: pytest.MonkeyPatch) -> None:
    """A model without an OpenVINO graph."""

    def refuse(_folder: Path) -> None:
        raise UnknownArchitecture("model_type 'new' is not known")

    patch.setattr("shared.inference.engines.openvino.engine.read_shape", refuse)


@pytest.mark.parametrize("lack", [without_openvino, of_unknown_architecture])
def test_torch_stands_in_and_says_so(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, lack: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """Given no OpenVINO, or none for this model, when loaded, then torch serves in fp32 and one line says why."""
    lack(monkeypatch)
    with capture_logs() as lines:
        described = load_scorer(artifact, "cpu").describe()

    assert described["engine"].startswith("torch ")
    assert described["engine"].endswith(" fp32, padded")
    (line,) = [line for line in lines if line["event"] == "engine_falls_back"]
    assert line["log_level"] == "warning"
    for precision in ("bf16", "int8"):
        with pytest.raises(SettingsError, match=rf"precision {precision}: .* computes in fp32; use auto"):
            load_scorer(artifact, "cpu", precision)


def test_cuda_gets_packed_passes(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a GPU, when a model's architecture is known, then it is packed; else, or in fp32, it is padded."""
    on_cuda(monkeypatch)
    assert kind(artifact, "auto") == kind(artifact, "bf16") == "Engine"
    assert kind(artifact, "fp32") == "Padded"
    with pytest.raises(SettingsError, match="precision int8: only the CPU"):
        kind(artifact, "int8")
    monkeypatch.setattr("shared.inference.engines.torch.packed_model.supports", lambda _: False)
    assert kind(artifact, "auto") == "Padded"


def test_padded_passes_serve_on_cuda_if_packed_ones_fail_their_check(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says why; a precision that only packed passes have is refused with the same reason."""
    on_cuda(monkeypatch)
    monkeypatch.setattr(Engine, "right", False)
    with capture_logs() as lines:
        assert kind(artifact, "auto") == "Padded"
    (line,) = lines
    assert line["event"] == "engine_falls_back"
    assert (line["to"], line["why"]) == ("torch, padded, fp32", "its answers differ from the model's own")
    with pytest.raises(SettingsError, match=r"precision bf16: its answers differ .* computes in fp32; use auto"):
        kind(artifact, "bf16")


def on_cuda(patch: pytest.MonkeyPatch) -> None:
    """A machine with a GPU, and engines that do not need one."""
    patch.setattr(choose, "choose_device", lambda _: "cuda:0")
    patch.setattr(choose, "BertScorer", lambda _, engine: engine)
    patch.setattr("shared.inference.engines.torch.cuda.cuda", lambda device: device)
    patch.setattr("shared.inference.engines.torch.packed.PackedEngine", Engine)
    patch.setattr("shared.inference.engines.torch.padded.PaddedEngine", Padded)


def kind(artifact: Artifact, precision: choose.Precision) -> str:
    """The class of what is loaded."""
    return type(load_scorer(artifact, "auto", precision)).__name__


class Engine:
    """Replaces an engine on a GPU."""

    right = True

    def __init__(self, _artifact: Artifact, device: torch.device) -> None:
        assert device == CUDA
        if not self.right:
            raise ScorerError("its answers differ from the model's own")

    def warm_up(self) -> None:
        """Does nothing."""


class Padded(Engine):
    """Replaces the other engine."""

    def __init__(self, _artifact: Artifact, device: torch.device) -> None:
        assert device == CUDA
