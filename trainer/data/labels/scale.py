"""Labels that are numbers: ratings and scores, which need bins, and numbers that need names."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from shared.errors import InputDataError
from trainer.data.examples import SENTIMENTS
from trainer.data.labels.label_map import Bin, LabelMap, as_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_CLASSES: Final = 20
"""More different numbers are scores and not classes; grades and stars have up to 11."""
FEWEST_RATINGS: Final = 4
"""With fewer different numbers, they are more likely the classes themselves."""
_STEPS: Final = 50
"""A scale with more different values is taken for continuous."""


def refuse_scores(labels: Iterable[str], where: str) -> None:
    """Raises InputDataError, with bins to use, if the labels are numbers that cannot be classes."""
    numbers = _numbers(labels)
    if numbers is None or (len(numbers) <= MAX_CLASSES and all(number == int(number) for number in numbers)):
        return
    raise InputDataError(
        f"{where}: the labels are {len(numbers)} different numbers from {numbers[0]:f} to {numbers[-1]:f}, "
        f"a scale and not a set of classes; say what becomes of them, such as --label-map {propose(numbers)}"
    )


def hints(labels: Sequence[str]) -> list[str]:
    """What to consider about labels that are numbers, or true and false; one sentence each."""
    if set(labels) == {"true", "false"}:
        return ["the labels are true and false: name them, such as --label-map true=positive,false=negative"]
    numbers = _numbers(labels)
    if not numbers:
        return []
    first = f"the labels are numbers ({', '.join(f'{number:f}' for number in numbers[:MAX_CLASSES])})"
    if numbers[0] == -1 and len(numbers) > 1 and numbers[1] == 0:
        hidden = "if -1 marks rows without a label, leave them out with --ignore-label -1"
        return [f"{first}: {hidden}; if it is a label, name them, such as --label-map {_named(numbers)}"]
    if len(numbers) >= FEWEST_RATINGS:
        return [f"{first}: for a scale, --label-map {propose(numbers)} makes three labels of them"]
    return [f"{first}, and results will say these: name them, such as --label-map {_named(numbers)}"]


def propose(numbers: Sequence[Decimal]) -> LabelMap:
    """Negative, neutral and positive bins for sorted numbers: the middle fifth of the scale is neutral.

    For 1 to 5 that is 1-2, 3 and 4-5.
    """
    if len(numbers) > _STEPS:
        low, high = _rounded(numbers[0], numbers[-1])
        fifth = (high - low) / 5
        ends = pairwise((low, low + 2 * fifth, high - 2 * fifth, high))
        return LabelMap(bins=tuple(Bin(*pair, name) for pair, name in zip(ends, SENTIMENTS, strict=True)))
    half_a_step = min((after - before for before, after in pairwise(numbers)), default=Decimal(1)) / 2
    low, high = numbers[0] - half_a_step, numbers[-1] + half_a_step
    fifth = (high - low) / 5
    groups = [
        [number for number in numbers if number < low + 2 * fifth],
        [number for number in numbers if low + 2 * fifth <= number <= high - 2 * fifth],
        [number for number in numbers if number > high - 2 * fifth],
    ]
    return LabelMap(
        bins=tuple(Bin(group[0], group[-1], name) for group, name in zip(groups, SENTIMENTS, strict=True) if group)
    )


def _numbers(labels: Iterable[str]) -> list[Decimal] | None:
    """The labels as sorted numbers; None if one is no number."""
    found = [as_number(label) for label in labels]
    return None if None in found else sorted(number for number in found if number is not None)


def _named(numbers: Sequence[Decimal]) -> str:
    names: tuple[str, ...] = SENTIMENTS if len(numbers) == len(SENTIMENTS) else (SENTIMENTS[0], SENTIMENTS[-1])
    if len(numbers) != len(names):
        names = tuple(f"NAME{index}" for index in range(1, len(numbers) + 1))
    return ",".join(f"{number:f}={name}" for number, name in zip(numbers, names, strict=True))


def _rounded(low: Decimal, high: Decimal) -> tuple[Decimal, Decimal]:
    """The ends of a continuous scale, rounded outwards to a tenth of the power of ten below its width."""
    unit = Decimal(1).scaleb(math.floor(math.log10(high - low)) - 1)
    down, up = (low / unit).to_integral_value("ROUND_FLOOR"), (high / unit).to_integral_value("ROUND_CEILING")
    return down * unit, up * unit
