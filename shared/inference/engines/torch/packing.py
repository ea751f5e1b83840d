"""Puts the messages of a pass end to end, without padding. Pure numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shared.inference.engines.base import Ids


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a pass."""

    tokens: int
    messages: int
    longest: int
    """Maximum tokens of a message."""

    @property
    def parts(self) -> tuple[int, int, int]:
        """Lengths of the slab's parts: bounds, ids, positions.

        Bounds come first: `varlen_attn` reads them where they are, and only the start of the slab is guaranteed to
        be aligned.
        """
        return self.messages + 1, self.tokens, self.tokens


@dataclass(frozen=True, slots=True)
class Packing:
    """All inputs of a pass, in one array, the slab, which needs a single copy to the device."""

    slab: NDArray[np.int32]
    shape: Shape

    def parts(self) -> list[NDArray[Any]]:
        """Views of bounds (cumulative lengths, from 0) `[messages + 1]`, ids and positions `[tokens]`."""
        return np.split(self.slab, np.cumsum(self.shape.parts)[:-1])


def pack(rows: Sequence[Ids], first_position: int) -> Packing:
    """Packs messages, at least one and none empty, in their order; their positions start at `first_position`."""
    lengths = np.fromiter(map(len, rows), dtype=np.int32, count=len(rows))
    bounds = np.zeros(len(rows) + 1, dtype=np.int32)
    np.cumsum(lengths, out=bounds[1:])
    shape = Shape(tokens=int(bounds[-1]), messages=len(rows), longest=int(lengths.max()))
    positions = (
        np.arange(shape.tokens, dtype=np.int32) - np.repeat(bounds[:-1], lengths) + np.int32(first_position)
    )
    return Packing(np.concatenate((bounds, *rows, positions), dtype=np.int32), shape)
