"""Engines over one window of rows or texts, and a peer in 16 bits that pads."""

from __future__ import annotations

import statistics
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, cycle, repeat
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from shared.inference.batching import make_batches
from shared.inference.engines.base import Answer, pad
from shared.inference.engines.torch.loading import load_model
from shared.inference.scheduler import Scheduler
from shared.inference.scorer import BertScorer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.engines.base import Engine, Ids, Logits
    from shared.inference.engines.torch.cuda import Hardware
    from shared.model_folder.artifact import Artifact

CHUNK = 512
"""Texts per submission, as in one micro-batch."""
ALONE = 30


class HalfPadded:
    """The set-up of a careful user of transformers: 16 bits, batches sorted by length, padded to the longest."""

    concurrency = 1

    def __init__(self, artifact: Artifact, hardware: Hardware, batch_tokens: int) -> None:
        self.name = "transformers in 16 bits, padded"
        self.device = hardware.name
        self.batch_tokens = self.padding = batch_tokens
        self._on = hardware.device
        self._model: Any = load_model(artifact).to(hardware.device, hardware.dtype)

    @torch.inference_mode()
    def forward(self, rows: Sequence[Ids]) -> Answer:
        """See `Engine`."""
        ids, lengths = pad(rows, self._model.config.pad_token_id)
        mask = torch.from_numpy(np.arange(ids.shape[1]) < lengths[:, None])
        logits = self._model(torch.from_numpy(ids).to(self._on), attention_mask=mask.to(self._on)).logits
        return Answer(logits.float().cpu().numpy(), ids.size)


@dataclass(slots=True)
class OverRows:
    """One engine over one window of rows, planned as the consumer plans, without gaps between its passes."""

    engine: Engine
    rows: Sequence[Ids]
    batch_tokens: int
    seconds: float
    windows: int = 1
    """How often a measurement repeats the window, to fill the seconds; set by the measurement before."""

    def rate(self) -> float:
        """Messages a second."""
        began = time.perf_counter()
        for _ in self._answers(self.windows):
            pass
        rate = self.windows * len(self.rows) / (time.perf_counter() - began)
        self.windows = max(1, round(self.seconds * rate / len(self.rows)))
        return rate

    def answers(self) -> tuple[Logits, int]:
        """Logits `[rows, labels]` in order of the rows, and the number of computed tokens."""
        found: dict[int, Logits] = {}
        computed = 0
        for batch, answer in self._answers(1):
            found |= zip(batch, answer.logits, strict=True)
            computed += answer.computed_tokens
        return np.stack([found[index] for index in range(len(self.rows))]), computed

    def alone_ms(self) -> float:
        """Median time of a pass of one row while nothing else runs."""
        times = []
        for row in self.rows[:ALONE]:
            began = time.perf_counter()
            self.engine.forward([row])
            times.append(time.perf_counter() - began)
        return 1000 * statistics.median(times)

    def _answers(self, windows: int) -> Any:
        """Batches, as indices of rows, with their answers."""
        passes = make_batches([len(row) for row in self.rows], self.batch_tokens, padding=self.engine.padding)
        with ThreadPoolExecutor(self.engine.concurrency) as threads:
            yield from threads.map(
                lambda batch: (batch, self.engine.forward([self.rows[index] for index in batch])),
                chain.from_iterable(repeat(passes, windows)),
            )


@dataclass(frozen=True, slots=True)
class OverTexts:
    """Texts to scores through the consumer's own threads, fed in chunks; no score is cached."""

    artifact: Artifact
    engine: Engine
    texts: Sequence[str]
    batch_tokens: int
    waiting: int
    """Texts in flight."""
    seconds: float

    def rate(self) -> float:
        """Texts a second."""
        scoring = Scheduler(BertScorer(self.artifact, self.engine), batch_tokens=self.batch_tokens)
        chunks = cycle([self.texts[start : start + CHUNK] for start in range(0, len(self.texts), CHUNK)])
        flying: deque[Any] = deque()
        scored = 0
        began = time.perf_counter()
        while flying or not scored:
            while time.perf_counter() < began + self.seconds and len(flying) * CHUNK < self.waiting:
                flying.append(scoring.submit(next(chunks)))
            scored += len(flying.popleft().result())
        rate = scored / (time.perf_counter() - began)
        scoring.close(10)
        return rate
