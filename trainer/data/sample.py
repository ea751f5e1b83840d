"""Divides a data set into the four parts for training, without duplicates and without leakage.

Parts that the user gives, as files or by a column, are used as they are; the others are cut from training rows.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import structlog

from shared.errors import InputDataError
from trainer.data.duplicates import remove_duplicates, spelling
from trainer.data.near_duplicates import near_duplicate_groups
from trainer.data.parts import PARTS
from trainer.data.splits import LabelMissingError, Sizes, Splits, split
from trainer.evaluation.behaviour.suite import held_out_texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainer.data.examples import Examples, IntArray
    from trainer.data.splits import Order
    from trainer.settings import TrainerSettings

NOTHING: Final[Mapping[str, Examples]] = {}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sample:
    """The four parts, and what is to be known of them."""

    splits: Splits
    left_out: dict[str, int]
    """Rows of the data that are in no part, by reason."""
    notes: tuple[str, ...] = ()
    """What a person should know of the parts, a sentence each; for the terminal and the model card."""


@dataclass(frozen=True, slots=True)
class _Overlap:
    """Training rows that are in a given part too."""

    exact: int
    near: int
    rest: Examples
    """The training rows without them, or with them if they are to stay."""
    groups: IntArray
    """`[rows of rest]`, the group of near-duplicates of each."""


def draw_sample(examples: Examples, settings: TrainerSettings, given: Mapping[str, Examples] = NOTHING) -> Sample:
    """Removes duplicates and cuts parts that share no near-duplicates.

    `given` has parts from files of their own, by name; a split column of `examples` gives parts too. Training rows
    that occur in such a part, or nearly, are left out unless `settings.keep_overlaps`. Sentences of the behaviour
    suite are in no part that is cut.
    """
    pool, given = _given(examples, given)
    cleaned = remove_duplicates(pool, held_out_texts())
    overlap = _without_overlap(cleaned.examples, given, keep=settings.keep_overlaps)
    rest = overlap.rest
    order, why = _order(rest, settings)
    sizes = _sizes(len(rest), settings, given)
    try:
        splits = split(rest, overlap.groups, sizes, order=order, seed=settings.seed)
    except LabelMissingError as missing:
        # Such as one file of each label, or a topic that had only praise for a month.
        if order == "random" or settings.split != "auto":
            raise
        why = [f"By time {missing.fault}: the split is at random."]
        splits = split(rest, overlap.groups, sizes, order="random", seed=settings.seed)
    held = {name: given.get(name, getattr(splits, name)) for name in ("validation", "calibration", "test")}
    splits = replace(splits, **held)
    overlapping = 0 if settings.keep_overlaps else overlap.exact + overlap.near
    left_out = {
        **examples.report.left_out,
        "duplicates": cleaned.duplicates,
        "sentences of the behaviour suite": cleaned.excluded,
        "rows with tied labels": cleaned.conflicting,
        "later near-duplicates of an earlier part": splits.dropped,
        "training rows that are in a given part too": overlapping,
    }
    log.info(
        "split",
        order=splits.order,
        given=sorted(given),
        **{name: len(getattr(splits, name)) for name in PARTS},
        duplicates=cleaned.duplicates,
        behaviour_sentences=cleaned.excluded,
        tied_labels=cleaned.conflicting,
        near_duplicates=len(rest) - len(np.unique(overlap.groups)),
        dropped=splits.dropped,
        overlap_exact=overlap.exact,
        overlap_near=overlap.near,
        border_ties=splits.border_ties,
    )
    notes = [*why, *_notes(splits, given), *_overlap_notes(overlap, given, keep=settings.keep_overlaps)]
    return Sample(splits, left_out, tuple(notes))


def _given(examples: Examples, files: Mapping[str, Examples]) -> tuple[Examples, dict[str, Examples]]:
    """The rows that parts may be cut from, and the given parts, with the labels of the former."""
    pool, given = examples, dict(files)
    if examples.parts is not None:
        part_of = np.array(examples.parts)
        if twice := sorted(set(examples.parts) & files.keys()):
            raise InputDataError(
                f"the {twice[0]} part is given twice, as a file and by the split column; give one"
            )
        rows_of = {name: np.flatnonzero(part_of == name) for name in PARTS}
        if not len(rows_of["train"]):
            raise InputDataError("the split column names no training row; give some the value train")
        pool = examples.take(rows_of.pop("train"))
        given |= {name: examples.take(rows) for name, rows in rows_of.items() if len(rows)}
    labels = examples.label_names
    return pool, {name: part.in_order_of(labels, whose="the training data") for name, part in given.items()}


def _without_overlap(pool: Examples, given: Mapping[str, Examples], *, keep: bool) -> _Overlap:
    held = [text for part in given.values() for text in part.texts]
    groups = near_duplicate_groups([*pool.texts, *held])
    known = {spelling(text) for text in held}
    exact = np.array([spelling(text) in known for text in pool.texts], dtype=bool)
    near = np.isin(groups[: len(pool)], groups[len(pool) :]) & ~exact
    kept = np.arange(len(pool)) if keep else np.flatnonzero(~(exact | near))
    if not len(kept):
        raise InputDataError("every training row is in a given part too; give other rows for it")
    # Numbers below the number of rows, as `split` takes them.
    own = np.unique(groups[kept], return_inverse=True)[1]
    return _Overlap(int(exact.sum()), int(near.sum()), pool.take(kept), own)


def _sizes(rows: int, settings: TrainerSettings, given: Mapping[str, Examples]) -> Sizes:
    """Rows to cut for each part that is not given."""
    test = 0 if "test" in given else settings.test_rows or round(rows * settings.test_fraction)
    others = max(0, rows - test)
    return Sizes(
        validation=0 if "validation" in given else round(others * settings.validation_fraction),
        calibration=0 if "calibration" in given else round(others * settings.calibration_fraction),
        test=test,
    )


def _order(rest: Examples, settings: TrainerSettings) -> tuple[Order, list[str]]:
    """By time or at random, and what is to be said of it."""
    times = rest.created_at
    if settings.split == "auto" and times is not None and not np.ptp(times):
        return "random", ["All rows have the same time: the split is at random."]
    by_time = settings.split == "time" or (settings.split == "auto" and times is not None)
    return ("time" if by_time else "random"), []


def _notes(splits: Splits, given: Mapping[str, Examples]) -> list[str]:
    notes = []
    if splits.border_ties:
        notes.append(
            f"{splits.border_ties:,} rows have the time of a row in another part: of those with one time, the "
            "later in the data count as newer."
        )
    for name, part in given.items():
        if missing := [repr(label) for label, rows in part.counts().items() if not rows]:
            notes.append(f"The given {name} part has no row of the label {', '.join(missing)}.")
    return notes


def _overlap_notes(overlap: _Overlap, given: Mapping[str, Examples], *, keep: bool) -> list[str]:
    notes = []
    if overlap.exact or overlap.near:
        fate = "kept in training, so that the figures may be too good" if keep else "left out of training"
        notes.append(
            f"{overlap.exact + overlap.near:,} training rows are in a given part too ({overlap.exact:,} with the "
            f"same text, {overlap.near:,} nearly); they are {fate}."
        )
    names = [name for name in PARTS if name in given]
    texts = {name: {spelling(text) for text in given[name].texts} for name in names}
    return notes + [
        f"{common:,} texts of the given {other} part are in the given {name} part too."
        for name, other in itertools.combinations(names, 2)
        if (common := len(texts[name] & texts[other]))
    ]
