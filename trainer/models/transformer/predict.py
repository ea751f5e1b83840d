"""Plain transformers: for validation during training, and as the reference of tests of `shared.inference`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import torch

from shared.inference.batching import make_batches
from shared.inference.postprocessing import Postprocessing
from shared.text import normalise
from trainer.models.transformer.encoding import padded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.engines.base import Ids
    from shared.model_folder.manifest import Manifest

FloatArray = npt.NDArray[np.float64]

BATCH_TOKENS: Final = 4_096
"""Tokens of one pass, padding included."""


def predict(model: Any, tokenizer: Any, manifest: Manifest, texts: Sequence[str]) -> FloatArray:
    """Calibrated probabilities `[rows, labels]` in the order of `texts`, in fp32, by transformers only."""
    clean = [normalise(text, manifest.normaliser.options) for text in texts]
    encoded = tokenizer(clean, truncation=True, max_length=manifest.max_tokens, padding=False)
    tokens = [np.array(ids, np.int32) for ids in encoded["input_ids"]]
    return Postprocessing.of(manifest).probabilities(score(model, tokens, tokenizer.pad_token_id))


def score(model: Any, tokens: Sequence[Ids], pad_id: int, device: str = "cpu") -> FloatArray:
    """Logits `[rows, labels]` in the order of `tokens`; leaves the model in evaluation mode on `device`."""
    model.to(device).eval()
    logits = np.empty((len(tokens), model.config.num_labels), dtype=np.float64)
    with torch.inference_mode():
        for rows in make_batches([len(row) for row in tokens], BATCH_TOKENS, padding=BATCH_TOKENS):
            ids, mask = padded([tokens[row] for row in rows], pad_id)
            out = model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
            logits[rows] = out.float().cpu().numpy()  # numpy has no bf16
    return logits
