"""Scores texts as a sealed model folder prescribes: the reference that the consumer is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import torch

from trainer.models.encoding import Tokens, pad, scoring_batches, tokenise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.manifest import Manifest

FloatArray = npt.NDArray[np.float64]

PADDED_TOKENS: Final = 4096


def predict(
    model: Any, tokenizer: Any, manifest: Manifest, texts: Sequence[str], device: str = "cpu"
) -> FloatArray:
    """Calibrated probabilities [rows, labels], rows in the order of `texts`, computed in fp32."""
    tokens = tokenise(tokenizer, texts, manifest.max_tokens, manifest.normaliser.options)
    return softmax(score(model, tokens, tokenizer.pad_token_id, device) / manifest.temperature)


def score(model: Any, tokens: Tokens, pad_id: int, device: str = "cpu") -> FloatArray:
    """Logits [rows, labels] in the order of `tokens`; leaves the model in evaluation mode on `device`."""
    model.to(device).eval()
    logits = np.empty((len(tokens), model.config.num_labels), dtype=np.float64)
    with torch.inference_mode():
        for rows in scoring_batches(tokens, PADDED_TOKENS):
            ids, mask = pad([tokens[row] for row in rows], pad_id)
            out = model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
            logits[rows] = out.float().cpu().numpy()
    return logits


def softmax(logits: FloatArray) -> FloatArray:
    """Probabilities along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), dtype=np.float64)
