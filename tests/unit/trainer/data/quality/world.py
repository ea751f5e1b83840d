"""Labelled texts with faults that the data report must find."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainer.data.examples import Examples

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ("negative", "positive")
TELLING = (("bad", "awful", "sad"), ("good", "great", "happy"))


def examples(
    rows: Sequence[tuple[str, str]], parts: Sequence[str] | None = None, times: Sequence[int] | None = None
) -> Examples:
    """Texts and labels; the id of a row is its number."""
    names = tuple(sorted({label for _, label in rows}))
    return Examples(
        texts=tuple(text for text, _ in rows),
        labels=np.array([names.index(label) for _, label in rows]),
        label_names=names,
        ids=tuple(map(str, range(len(rows)))),
        source="made up",
        created_at=None if times is None else np.array(times),
        parts=None if parts is None else tuple(parts),
    )


def learnable(rows: int, wrong: Sequence[int] = (), seed: int = 0) -> Examples:
    """Texts whose label one word tells; the labels of the rows `wrong` are swapped."""
    chance = np.random.default_rng(seed)
    labels = np.arange(rows) % 2
    texts = [
        f"{TELLING[label][chance.integers(3)]} {' '.join(f'w{one}' for one in chance.integers(0, 99, 6))} r{row}"
        for row, label in enumerate(labels)
    ]
    labels[list(wrong)] = 1 - labels[list(wrong)]
    return examples(list(zip(texts, (NAMES[label] for label in labels), strict=True)))
