"""MPNet's bias of attention by the distance of two tokens; https://arxiv.org/abs/2004.09297, from T5.

Near distances have a bucket each, far ones share buckets that grow with the logarithm of the distance.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BUCKETS: Final = 32
"""Half of them for tokens before, half for tokens after. transformers hard-codes it, as the next one."""
MAX_DISTANCE: Final = 128
"""From here on all distances share the last bucket."""


def by_distance(table: NDArray[np.float32], positions: int) -> NDArray[np.float32]:
    """The bias of each head for each distance of the key from the query, `[heads, 2 * positions - 1]`.

    `table` is `[BUCKETS, heads]`; the first column is that of the key `positions - 1` tokens before the query.
    """
    distances = np.arange(1 - positions, positions)
    return np.ascontiguousarray(table[_buckets(distances)].T)


def _buckets(distances: NDArray[np.int64]) -> NDArray[np.int64]:
    half = BUCKETS // 2
    exact = half // 2
    size = np.abs(distances)
    # In fp32 like transformers, which decides about distances on an edge.
    grown = np.log(np.maximum(size, 1).astype(np.float32) / exact) / math.log(MAX_DISTANCE / exact)
    far = np.minimum(exact + (grown * (half - exact)).astype(np.int64), half - 1)
    bucket: NDArray[np.int64] = np.where(size < exact, size, far)
    return bucket + half * (distances > 0)
