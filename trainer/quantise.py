"""Quantises the lean graph to int8 with NNCF, and runs graphs to compare them."""

from __future__ import annotations

import logging
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from shared.lean_bert import build
from shared.openvino import openvino
from trainer.encoding import pad, scoring_batches

if TYPE_CHECKING:
    from shared.artifact import Artifact
    from shared.bert_shape import Shape
    from trainer.encoding import Tokens
    from trainer.predict import FloatArray

BATCH_TOKENS: Final = 1_024
"""Of a pass with padding, as the consumer's engine has them."""
_HINTS: Final = {"fp32": "f32", "bf16": "bf16"}


def quantise(artifact: Artifact, shape: Shape, tokens: Tokens) -> Any:
    """The graph of a checked folder with weights and activations in int8, an `openvino.Model`; takes a minute.

    Post-training quantisation with SmoothQuant; the ranges of the activations are those seen on `tokens`.
    """
    import nncf  # noqa: PLC0415 - takes seconds; and it must come after `shared.openvino`, for its telemetry

    nncf.set_log_level(logging.ERROR)
    batches = [
        _inputs([tokens[row] for row in rows], shape.pad_id) for rows in scoring_batches(tokens, BATCH_TOKENS)
    ]
    with redirect_stdout(sys.stderr):  # its progress bars
        return nncf.quantize(
            build(artifact, shape),
            nncf.Dataset(batches),
            subset_size=len(batches),
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER,
        )


def score(model: Any, tokens: Tokens, shape: Shape, precision: Literal["fp32", "bf16"]) -> FloatArray:
    """Logits [rows, labels] of a graph in the order of `tokens`; what is not quantised is in `precision`."""
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": _HINTS[precision]})
    logits = np.empty((len(tokens), shape.labels), dtype=np.float64)
    for rows in scoring_batches(tokens, BATCH_TOKENS):
        logits[rows] = compiled(_inputs([tokens[row] for row in rows], shape.pad_id))["logits"]
    return logits


def _inputs(tokens: Tokens, pad_id: int) -> dict[str, Any]:
    ids, mask = pad(tokens, pad_id)
    return {"ids": ids.numpy().astype(np.int32), "lengths": mask.numpy().sum(axis=1, dtype=np.int32)}
