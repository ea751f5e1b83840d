"""The `Engine` protocol: token ids in, logits out. Independent of texts and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Ids = NDArray[np.int32]
"""Token ids of one text `[tokens]`, special tokens included, never empty; often a view of a larger array."""
Logits = NDArray[np.float32]
"""`[rows, labels]`"""


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of one forward pass."""

    logits: Logits
    """In the order of the rows, not divided by the temperature."""
    computed_tokens: int
    """Tokens that the pass computed, padding included."""


class Engine(Protocol):
    """A model on a device, warmed up: the first pass is as fast as the next."""

    device: str
    """For display: `cpu`, or the name of the GPU."""
    concurrency: int
    """Number of threads that may call `forward` at once, which keeps the device busy."""
    batch_tokens: int
    """Tokens of a pass at which this device has the highest throughput."""

    @property
    def name(self) -> str:
        """Library, precision and batching, for display: `openvino 2026.4.1 bf16, lean`."""
        ...

    @property
    def padding(self) -> int | None:
        """Tokens of padding that cost as much as another pass; None if rows are not padded."""
        ...

    def forward(self, rows: Sequence[Ids]) -> Answer:
        """Runs one pass over at least one row. Blocks until the answer is on the host.

        Raises PassFailed (a row may be the cause), OutOfMemory (the memory of the pass is released), or
        ScorerError (the device cannot be trusted any more).
        """
        ...


def pad(rows: Sequence[Ids], pad_id: int, width: int = 0) -> tuple[Ids, NDArray[np.int64]]:
    """Pads rows with `pad_id` to `[rows, tokens]`; returns the ids and the lengths of the rows, `[rows]`.

    `tokens` is the length of the longest row, or `width` if that is more.
    """
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    ids = np.full((len(rows), max(width, lengths.max())), pad_id, np.int32)
    # numpy fills a mask row by row, which is the order of the concatenated ids.
    ids[np.arange(ids.shape[1]) < lengths[:, None]] = np.concatenate(rows)
    return ids, lengths
