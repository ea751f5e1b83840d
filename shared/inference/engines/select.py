"""Selects the engine for a model folder and a device."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

import structlog

from shared.errors import ArtifactError, ScorerError, SettingsError
from shared.inference.cnn.model import load_cnn
from shared.inference.device import choose_device, is_gpu_unused, require_torch
from shared.inference.engines.openvino.bert_shape import UnknownArchitecture
from shared.inference.linear.model import load_linear
from shared.inference.linear.scorer import WordScorer
from shared.inference.scorer import BertScorer

if TYPE_CHECKING:
    from shared.inference.engines.base import Engine
    from shared.inference.types import Scorer
    from shared.model_folder.artifact import Artifact

Precision = Literal["auto", "fp32", "bf16", "int8"]

log = structlog.get_logger()


def load_scorer(artifact: Artifact, device: str = "auto", precision: Precision = "auto") -> Scorer:
    """Loads the model onto the device; a transformer scores the control sentence, which takes seconds.

    Raises ArtifactError for a folder that cannot be served, SettingsError for a device or precision that is not
    available, and ScorerError for a model that cannot score the sentence.
    """
    if artifact.manifest.kind == "ensemble":
        raise ArtifactError(
            f"{artifact.path} holds an ensemble ({artifact.manifest.base.name}), which is not served: "
            f"distil it into one model with sentiment-trainer train --teacher {artifact.path}"
        )
    if artifact.manifest.reads_words:
        model = load_cnn(artifact) if artifact.manifest.kind == "cnn" else load_linear(artifact)
        if precision in {"bf16", "int8"} or device not in {"auto", "cpu"}:
            raise SettingsError(
                f"{artifact.path} holds a model of words ({artifact.manifest.base.name}), which computes in "
                f"{model.precision} on the CPU: leave out --device and --precision"
            )
        return WordScorer(artifact, model)
    found = choose_device(device)
    if is_gpu_unused(device):
        log.warning("gpu_unused", why="torch is not installed", hint="pip install 'sentiment-stream[torch]'")
    engine = _on_cuda(artifact, found, precision) if found != "cpu" else _on_cpu(artifact, precision)
    scorer = BertScorer(artifact, engine)
    scorer.warm_up()
    return scorer


def _on_cpu(artifact: Artifact, precision: Precision) -> Engine:
    """OpenVINO if it is installed, supports the architecture and passes the probe; in int8 if exported."""
    if find_spec("openvino") is None:
        return _padded(artifact, "cpu", precision, "OpenVINO is not installed (the extra `cpu`)")
    from shared.inference.engines.openvino.engine import load_engine  # noqa: PLC0415 - an extra
    from shared.inference.engines.openvino.runtime import native_precision  # noqa: PLC0415
    from shared.inference.probe.examine import Untrusted  # noqa: PLC0415

    fastest = (*(("int8",) if artifact.manifest.int8 else ()), native_precision(), "fp32")
    why = ""
    for one in dict.fromkeys(fastest) if precision == "auto" else (precision,):
        try:
            return load_engine(artifact, one)
        except UnknownArchitecture as unknown:
            # OpenVINO runs it in no other precision either.
            return _padded(artifact, "cpu", precision, str(unknown))
        except Untrusted as wrong:
            why = str(wrong)
    # The last resort: torch is not probed (decision 16).
    return _padded(artifact, "cpu", precision, why)


def _on_cuda(artifact: Artifact, device: str, precision: Precision) -> Engine:
    """Packed passes in bf16 if the architecture is supported and their answers are right, else padded in fp32."""
    import torch  # noqa: PLC0415 - takes seconds, and OpenVINO does not need it

    from shared.inference.engines.torch.cuda import cuda  # noqa: PLC0415
    from shared.inference.engines.torch.packed import PackedEngine  # noqa: PLC0415
    from shared.inference.engines.torch.packed_model import supports  # noqa: PLC0415

    if precision == "int8":
        raise SettingsError("precision int8: only the CPU's engine computes in it; use auto, or --device cpu")
    # `varlen_attn` takes fp16 and bf16 only.
    if precision == "fp32":
        return _padded(artifact, device, precision, "packed passes are not computed in fp32")
    if not supports(artifact):
        return _padded(artifact, device, precision, "neither other architectures nor mean pooling can be packed")
    try:
        return PackedEngine(artifact, cuda(torch.device(device)))
    except ScorerError as reason:  # a broken device fails the control sentence of the next engine too
        why = str(reason)
    return _padded(artifact, device, precision, why)  # only now is the memory of the first engine released


def _padded(artifact: Artifact, device: str, precision: Precision, why: str) -> Engine:
    if precision in {"bf16", "int8"}:
        raise SettingsError(
            f"precision {precision}: {why}, and the engine that remains computes in fp32; use auto"
        )
    require_torch(f"{why}; the engine that remains")
    import torch  # noqa: PLC0415 - see above

    from shared.inference.engines.torch.padded import PaddedEngine  # noqa: PLC0415

    log.warning("engine_falls_back", to="torch, padded, fp32", why=why)
    return PaddedEngine(artifact, torch.device(device))
