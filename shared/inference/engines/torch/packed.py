"""The engine for CUDA: passes without padding between messages, three in flight.

All tokens of a pass are end to end, and attention keeps to the bounds of each message (`varlen_attn`). The engine
does not start unless it answers as the stock model does in fp32 to one message at a time.
"""

from __future__ import annotations

from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

import numpy as np
import structlog
import torch

from shared.inference.engines.base import Answer
from shared.inference.engines.torch.loading import classify, load_model
from shared.inference.engines.torch.packed_check import KnownAnswers, excluding
from shared.inference.engines.torch.packed_model import PackedModel, longest_message
from shared.inference.engines.torch.packing import pack
from shared.inference.isolation import OutOfMemory, PassFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.engines.base import Ids
    from shared.inference.engines.torch.cuda import Hardware, Slot
    from shared.model_folder.artifact import Artifact

BATCH_TOKENS: Final = 32_768
"""Tokens of a pass, 20 ms of BERT-base on an H100. Twice as many give 1 % more tweets a second, and 4 % more texts
of 200 tokens; half as many, 14 % and 11 % fewer (decision 12)."""
CONCURRENCY: Final = 3
"""Passes in flight: one on the device, one queued after it, one on the host."""

log = structlog.get_logger()


class PackedEngine:
    """Runs a model that `packed_model.supports` accepts on one GPU. Starting takes seconds."""

    concurrency = CONCURRENCY
    padding = None

    def __init__(self, artifact: Artifact, hardware: Hardware, batch_tokens: int = BATCH_TOKENS) -> None:
        """Raises ArtifactError if the model cannot be loaded, ScorerError if packed passes fail or are wrong."""
        # For every new shape cuDNN builds and keeps a plan, in 40 ms or more (pytorch #191576, #190388), and
        # passes rarely have equal shapes. Otherwise PyTorch uses FlashAttention.
        torch.backends.cuda.enable_cudnn_sdp(enabled=False)
        self.batch_tokens = batch_tokens
        self.device = hardware.name
        self.name = f"torch {torch.__version__} {str(hardware.dtype).removeprefix('torch.')}, varlen"
        self._device = hardware.device
        self._slots: SimpleQueue[Slot] = SimpleQueue()
        with excluding(self.name):
            model = load_model(artifact).to(hardware.device)
            self.longest = longest_message(artifact, model.config)
            """Maximum tokens of a row."""
            known = KnownAnswers(model, self.longest, batch_tokens)
            self._model = PackedModel(model.to(hardware.dtype), hardware.attention)
            for _ in range(CONCURRENCY):
                self._slots.put(hardware.new_slot())
            difference = known.difference(self._run, CONCURRENCY, hardware.tolerance)
        log.info("engine_checked", engine=self.name, difference_from_fp32=round(difference, 5))

    def forward(self, rows: Sequence[Ids]) -> Answer:
        """See `Engine`; a thread beyond `concurrency` waits for a free slot."""
        lengths = [len(row) for row in rows]
        if not min(lengths):  # the first token of the next message would be used instead
            raise PassFailed("EmptyRow")
        if max(lengths) > self.longest:
            raise PassFailed("MoreTokensThanPositions")
        try:
            return self._run(rows)
        except (RuntimeError, IndexError, ValueError, MemoryError) as error:
            failure = classify(error, self._device)
        # Only after the `except` block are the tensors of the failed pass released (pytorch #18853).
        if isinstance(failure, OutOfMemory):
            torch.cuda.empty_cache()
        raise failure

    @torch.inference_mode()
    def _run(self, rows: Sequence[Ids]) -> Answer:
        packing = pack(rows, self._model.first_position)
        _, ids, _ = packing.parts()
        if ids.view(np.uint32).max() >= self._model.vocabulary:  # on a GPU it would end CUDA for the process
            raise PassFailed("TokenOutsideVocabulary")
        slot = self._slots.get()
        try:
            logits = slot.run(lambda slab: self._model(slab, packing.shape), packing.slab)
        finally:
            self._slots.put(slot)
        return Answer(logits, packing.shape.tokens)
