"""Splits a data set into test, calibration, validation and training rows, without dividing groups.

By time if every row has one, since a model scores later texts: training rows come first, then validation,
calibration and test. Else at random and stratified: each label has the same share in all four.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from shared.errors import InputDataError
from trainer.data.parts import PARTS

if TYPE_CHECKING:
    from trainer.data.examples import Examples, IntArray

Order = Literal["time", "random"]


class LabelMissingError(InputDataError):
    """A part has no row of a label."""

    def __init__(self, message: str, fault: str) -> None:
        super().__init__(message)
        self.fault = fault
        """The same in a clause."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Rows to hold out; the rest is for training."""

    validation: int
    calibration: int
    test: int


@dataclass(frozen=True, slots=True)
class Splits:
    """Four parts that share no row and no group of near-duplicates."""

    train: Examples
    validation: Examples
    """For early stopping and the selection of the weights."""
    calibration: Examples
    """For the temperature, and nothing else."""
    test: Examples
    """For the published figures, and nothing else."""
    order: Order
    dropped: int
    """Rows left out because their near-duplicates are in an earlier part (split by time only)."""
    border_ties: int = 0
    """Rows whose time is that of a row in another part (split by time only)."""


def split(examples: Examples, groups: IntArray, sizes: Sizes, *, order: Order, seed: int) -> Splits:
    """Assigns every row to a part; raises InputDataError if a label is missing from one.

    A part of size 0 is empty. At random, the held-out parts get exactly their sizes as long as there are enough
    rows without near-duplicates to fill them up. By time, rows whose group began in an earlier part are dropped.
    """
    if len(examples.label_names) < 2:  # noqa: PLR2004
        left_out = ", ".join(f"{rows:,} {reason}" for reason, rows in examples.report.left_out.items())
        raise InputDataError(
            f"only one label, {examples.label_names[0]!r}; a classifier needs two or more"
            + (f" (rows left out: {left_out})" if left_out else "")
        )
    held_out = sizes.validation + sizes.calibration + sizes.test
    if held_out >= len(examples):
        raise InputDataError(
            f"{held_out} rows are to be held out, but only {len(examples)} are usable; give more data, or lower "
            "test_rows and the fractions"
        )
    by_time = order == "time"
    part_of = _by_time(examples, groups, sizes) if by_time else _at_random(examples, groups, sizes, seed)
    parts = {name: examples.take(np.flatnonzero(part_of == index)) for index, name in enumerate(PARTS)}
    for name, part in parts.items():
        if name == "train" or getattr(sizes, name):
            _require_every_label(name, part, examples, order)
    ties = _border_ties(examples.created_at, part_of) if by_time and examples.created_at is not None else 0
    return Splits(**parts, order=order, dropped=int((part_of < 0).sum()), border_ties=ties)


def halves(groups: IntArray, seed: int) -> tuple[IntArray, IntArray]:
    """The rows of two halves that share no group, at random; the first has as many rows as the second, or more."""
    rows_of = np.argsort(groups, kind="stable")
    members = np.split(rows_of, np.cumsum(np.unique(groups, return_counts=True)[1])[:-1])
    shuffled = [members[index] for index in np.random.default_rng(seed).permutation(len(members))]
    ends = np.cumsum([len(rows) for rows in shuffled])
    first = int(np.searchsorted(ends, len(groups) / 2)) + 1
    return np.sort(np.concatenate(shuffled[:first])), np.sort(np.concatenate([*shuffled[first:], rows_of[:0]]))


def _at_random(examples: Examples, groups: IntArray, sizes: Sizes, seed: int) -> IntArray:
    """Indices into PARTS, `[rows]`. Shuffled groups fill the test part first, up to the quota of each label."""
    part_of = np.zeros(len(examples), dtype=np.int64)  # all other rows are for training
    room = {PARTS.index(name): _quotas(examples.labels, getattr(sizes, name)) for name in PARTS[:0:-1]}
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(np.unique(groups, return_counts=True)[1])[:-1])
    for group in np.random.default_rng(seed).permutation(len(members)):
        rows = members[group]
        label = np.bincount(examples.labels[rows]).argmax()
        for part, quota in room.items():
            if quota[label] >= len(rows):
                quota[label] -= len(rows)
                part_of[rows] = part
                break
    return part_of


def _quotas(labels: IntArray, size: int) -> IntArray:
    """Rows of each label in a part of that size, `[labels]`: proportional, rounded by largest remainder.

    A label with a row for each part has one at least, which the most frequent label gives up if it can.
    """
    counts = np.bincount(labels)
    exact = counts * size / len(labels)
    quotas = np.floor(exact).astype(np.int64)
    short = size - int(quotas.sum())
    quotas[np.argsort(quotas - exact, kind="stable")[:short]] += 1
    for label in np.flatnonzero((quotas == 0) & (counts >= len(PARTS))):
        most = int(quotas.argmax())
        if quotas[most] > 1:
            quotas[most] -= 1
            quotas[label] += 1
    return quotas


def _by_time(examples: Examples, groups: IntArray, sizes: Sizes) -> IntArray:
    """Indices into PARTS, `[rows]`, or -1 if the group began in an earlier part."""
    if examples.created_at is None:
        why = examples.report.time_fault or "choose the column with --time-column"
        raise InputDataError(f"a split by time needs a time in every row: {why}; or use --split random")
    if len(examples) > 1 and not np.ptp(examples.created_at):
        raise InputDataError("all rows have the same time, so there is no split by time; use --split random")
    # TweetEval is split by time too: 15.6 % of its training rows (2011 to 2015) and 32.3 % of its test rows (2016)
    # are negative. A random split would hide such a shift.
    # Of rows with one time, a later row of the data counts as newer: files are mostly in the order of time, and
    # dates without hours tie in all of them.
    newest_first = np.lexsort((np.arange(len(examples)), examples.created_at))[::-1]
    part_of = np.zeros(len(examples), dtype=np.int64)
    start = 0
    for name in PARTS[:0:-1]:
        size = getattr(sizes, name)
        part_of[newest_first[start : start + size]] = PARTS.index(name)
        start += size
    began = np.full(len(examples), len(PARTS))
    np.minimum.at(began, groups, part_of)
    return np.where(part_of == began[groups], part_of, -1)


def _border_ties(times: IntArray, part_of: IntArray) -> int:
    """Rows whose time is that of a row in another part."""
    kept = part_of >= 0
    pairs = np.unique(np.stack([times[kept], part_of[kept]]), axis=1)
    moments, parts = np.unique(pairs[0], return_counts=True)
    return int(np.isin(times[kept], moments[parts > 1]).sum())


def _require_every_label(name: str, part: Examples, examples: Examples, order: Order) -> None:
    for label, rows in part.counts().items():
        if rows == 0:
            total = examples.counts()[label]
            hint = "or use --split random" if order == "time" else f"or --ignore-label {label}"
            raise LabelMissingError(
                f"the {name} part has no row of label {label!r} ({total} of {len(examples)} usable rows have it); "
                f"give more such rows, a larger {name} part, {hint}",
                f"the {name} part would have no row of the label {label!r}",
            )
