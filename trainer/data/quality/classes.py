"""Classes and their shares, in all rows and in each part."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from trainer.data.quality.findings import Classes

if TYPE_CHECKING:
    from trainer.data.examples import Examples


def count_classes(examples: Examples) -> Classes:
    """Rows by label; a label that a part lacks has 0 there."""
    names = examples.label_names
    pairs = Counter(zip(examples.parts or (), (names[label] for label in examples.labels), strict=False))
    parts = dict.fromkeys(examples.parts or ())
    return Classes(
        rows=examples.counts(),
        by_part={part: {name: pairs[part, name] for name in names} for part in parts},
    )
