"""What every engine does: token ids in, logits out. Knows neither texts nor labels."""

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
    """What one forward pass gave."""

    logits: Logits
    """In the order of the rows, as the model gave them: not divided by the temperature."""
    computed_tokens: int
    """Tokens that the pass computed, padding included."""


class Engine(Protocol):
    """A model on a device, warmed up: the first pass is as fast as the next."""

    device: str
    """For people: `cpu`, or the name of the GPU."""
    concurrency: int
    """How many threads may be inside `forward` at once, and keep the device busy when they are."""
    batch_tokens: int
    """Tokens of a pass at which this device is at its best."""

    @property
    def name(self) -> str:
        """Library, precision and way of batching, for people: `openvino 2026.4.1 bf16, lean`."""
        ...

    @property
    def padding(self) -> int | None:
        """Tokens of padding that cost as much as another pass; None where rows are not padded."""
        ...

    def forward(self, rows: Sequence[Ids]) -> Answer:
        """Runs one pass over at least one row. Blocks until the answer is on the host.

        Raises PassFailed (perhaps a row is why), OutOfMemory (with all that the pass held let go), or
        ScorerError (the device is not to be trusted any more).
        """
        ...


def pad(rows: Sequence[Ids], pad_id: int, width: int = 0) -> tuple[Ids, NDArray[np.int64]]:
    """Lays rows out as `[rows, tokens]`, filled up with `pad_id`; returns that and their lengths `[rows]`.

    There are as many tokens as in the longest row, and at least `width`.
    """
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    ids = np.full((len(rows), max(width, lengths.max())), pad_id, np.int32)
    ids[np.arange(ids.shape[1]) < lengths[:, None]] = np.concatenate(rows)
    return ids, lengths
