"""What goes into a forward pass and what comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Ids = NDArray[np.int32]
"""Token ids of one text `[tokens]`, special tokens included, never empty; often a view of a larger array."""
Logits = NDArray[np.float32]
"""`[rows, labels]`"""


def pad(rows: Sequence[Ids], pad_id: int, width: int = 0) -> tuple[Ids, NDArray[np.int64]]:
    """Lays rows out as `[rows, tokens]`, filled up with `pad_id`; returns that and their lengths `[rows]`.

    There are as many tokens as in the longest row, and at least `width`.
    """
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    ids = np.full((len(rows), max(width, lengths.max())), pad_id, np.int32)
    ids[np.arange(ids.shape[1]) < lengths[:, None]] = np.concatenate(rows)
    return ids, lengths
