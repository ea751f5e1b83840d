"""Writes and reads the quantised graph of a model folder.

An OpenVINO IR is an XML file and a file of raw bytes. OpenVINO calls that `.bin`, which is refused as a possible
pickle, and it may begin like one; so its bytes are stored as one tensor in a safetensors file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from shared.errors import ArtifactError
from shared.inference.engines.openvino.runtime import openvino

if TYPE_CHECKING:
    from pathlib import Path

    from shared.inference.engines.openvino.bert_shape import Shape
    from shared.model_folder.artifact import Artifact

FOLDER: Final = "openvino"
GRAPH: Final = f"{FOLDER}/int8.xml"
WEIGHTS: Final = f"{FOLDER}/int8.safetensors"


def write_int8(folder: Path, model: Any) -> None:
    """Writes a quantised `openvino.Model` into a folder that has none yet."""
    graph = folder / GRAPH
    graph.parent.mkdir()
    # By default the weights that stay in fp32 would be rounded to fp16.
    openvino.save_model(model, graph, compress_to_fp16=False)
    raw = graph.with_suffix(".bin")
    (folder / WEIGHTS).write_bytes(save({"weights": np.fromfile(raw, np.uint8)}))
    raw.unlink()


def read_int8(artifact: Artifact, shape: Shape) -> Any:
    """The quantised graph of a checked model folder, with the inputs and the output of `graph.build`.

    Raises ArtifactError if this OpenVINO cannot read it, or if it does not have this shape.
    """
    try:
        weights = load(artifact.read(WEIGHTS))["weights"]
        model = openvino.Core().read_model(artifact.read(GRAPH), openvino.Tensor(weights))
        inputs = [tensor.get_any_name() for tensor in model.inputs]
        labels = model.output("logits").partial_shape[1]
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise unreadable(artifact.path, type(error).__name__) from None
    if inputs != ["ids", "lengths"] or labels != shape.labels:
        raise unreadable(artifact.path, "other inputs or outputs")
    return model


def unreadable(folder: Path, why: str) -> ArtifactError:
    """The error for a graph that this OpenVINO cannot read or compile."""
    version = openvino.get_version().partition("-")[0]
    return ArtifactError(
        f"OpenVINO {version} cannot use {folder / GRAPH} ({why}); export it again with sentiment-trainer export, "
        "or set precision to fp32"
    )
