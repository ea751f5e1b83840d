"""The order of the labels of a model, and whether they make a set of classes."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from shared.errors import InputDataError
from trainer.data.examples import SENTIMENTS
from trainer.data.labels.label_map import as_number, quoted
from trainer.data.labels.scale import refuse_scores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_LABELS: Final = 1_000
"""More different labels are probably texts, or ids."""


def ordered(labels: Sequence[str], where: str, left_out: Mapping[str, int]) -> tuple[str, ...]:
    """The names of the labels in the model's order.

    Raises InputDataError for no label, for two spellings of one, for too many, and for numbers of a scale.
    """
    counts = Counter(labels)
    if not counts:
        reasons = ", ".join(f"{rows:,} {reason}" for reason, rows in left_out.items())
        raise InputDataError(f"{where}: no row has both a text and a label; left out: {reasons}")
    refuse_scores(counts, where)
    if len(counts) > MAX_LABELS:
        raise InputDataError(
            f"{where}: {len(counts):,} different labels in {len(labels):,} rows; is --label-column the column of "
            "the labels?"
        )
    _refuse_two_spellings(counts, where)
    if counts.keys() <= set(SENTIMENTS):
        return tuple(name for name in SENTIMENTS if name in counts)
    numbers = {name: as_number(name) for name in counts}
    if None not in numbers.values():
        return tuple(sorted(counts, key=lambda name: numbers[name] or 0))
    return tuple(sorted(counts))


def _refuse_two_spellings(counts: Mapping[str, int], where: str) -> None:
    spellings: dict[str, list[str]] = defaultdict(list)
    for name in counts:
        spellings[name.casefold()].append(name)
    # Two spellings would be trained as two labels (AutoTrain #71).
    for several in spellings.values():
        if len(several) > 1:
            kept, *others = sorted(several, key=lambda name: counts[name], reverse=True)
            raise InputDataError(
                f"{where}: one label in several spellings: {', '.join(f'{n!r} ({counts[n]})' for n in several)}; "
                f"make them one with --label-map {','.join(f'{quoted(n)}={quoted(kept)}' for n in others)}"
            )
