"""The engine for any device and any architecture: plain PyTorch, fp32, padded batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import structlog
import torch

from shared.errors import ScorerError
from shared.inference.engines.base import Answer, pad
from shared.inference.engines.torch.loading import classify, load_model
from shared.inference.engines.torch.padding_check import padding_difference
from shared.inference.isolation import OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.engines.base import Ids
    from shared.model_folder.artifact import Artifact

CPU_BATCH_TOKENS: Final = 2_048
CUDA_BATCH_TOKENS: Final = 32_768
"""A CPU is fastest with small batches; a GPU needs large ones."""

CPU_PASS_TOKENS: Final = 64
"""The fixed cost of a pass, in tokens. With at most this padding per pass, MiniLM on 2 cores took 1/1.4, 1/1.5 and
1/1.15 of the time of full passes for windows of 16, 64 and 512 tweets. On a GPU passes are always filled."""

MAX_PADDING_DIFFERENCE: Final = 1e-3
"""Of a logit, as a share of the largest (or of 1). Tiny random models of 14 architectures differed by 1.2e-6 at
most, those of Nyströmformer and XLNet by 0.7 and 1."""

log = structlog.get_logger()


class PaddedEngine:
    """Runs one pass at a time, padded.

    Tried at start-up: in a few architectures (XLNet, Nyströmformer) padding changes answers in spite of the mask.
    Such a model is served without padding, in passes of rows of equal length.
    """

    concurrency = 1

    def __init__(self, artifact: Artifact, device: torch.device) -> None:
        self.device = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
        self.batch_tokens = CUDA_BATCH_TOKENS if device.type == "cuda" else CPU_BATCH_TOKENS
        self.padding = self.batch_tokens if device.type == "cuda" else CPU_PASS_TOKENS
        self._on = device
        model: Any = load_model(artifact)
        self._model: Any = model.to(device)
        self._pad_id = model.config.pad_token_id or 0
        difference = self._padding_difference(artifact)
        self._pads = difference <= MAX_PADDING_DIFFERENCE
        if not self._pads:
            self.padding = 0
            log.warning("padding_changes_answers", difference=round(difference, 4), served="rows of equal length")
        self.name = f"torch {torch.__version__} fp32, {'padded' if self._pads else 'rows of equal length'}"

    def forward(self, rows: Sequence[Ids]) -> Answer:
        """Runs one pass; see `Engine`."""
        try:
            return self._pass(rows) if self._pads else self._by_length(rows)
        except (RuntimeError, IndexError, ValueError, MemoryError) as error:
            failure = classify(error, self._on)
        # Only after the `except` block are the tensors of the failed pass released (pytorch #18853).
        if isinstance(failure, OutOfMemory) and self._on.type == "cuda":
            torch.cuda.empty_cache()
        raise failure

    def _padding_difference(self, artifact: Artifact) -> float:
        try:
            return padding_difference(artifact, self._model, self._pad_id)
        except (RuntimeError, IndexError, ValueError, MemoryError) as error:
            raise ScorerError(f"the model fails on ordinary texts: {type(error).__name__}") from None

    def _by_length(self, rows: Sequence[Ids]) -> Answer:
        lengths = np.array([len(row) for row in rows])
        logits = np.empty((len(rows), self._model.config.num_labels), np.float32)
        for length in np.unique(lengths):
            (places,) = np.nonzero(lengths == length)
            logits[places] = self._pass([rows[place] for place in places.tolist()]).logits
        return Answer(logits, int(lengths.sum()))

    @torch.inference_mode()
    def _pass(self, rows: Sequence[Ids]) -> Answer:
        ids, lengths = pad(rows, self._pad_id)
        mask = np.arange(ids.shape[1]) < lengths[:, None]
        logits = self._model(
            input_ids=torch.from_numpy(ids).to(self._on),
            attention_mask=torch.from_numpy(mask.astype(np.int64)).to(self._on),
        ).logits
        return Answer(logits.float().cpu().numpy(), ids.size)
