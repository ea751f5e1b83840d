"""Splits a data set into the four parts for training, without duplicates and without leakage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import structlog

from trainer.data.duplicates import remove_duplicates
from trainer.data.near_duplicates import near_duplicate_groups
from trainer.data.splits import PARTS, Sizes, Splits, split
from trainer.evaluation.behaviour.suite import held_out_texts

if TYPE_CHECKING:
    from trainer.data.examples import Examples
    from trainer.settings import TrainerSettings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sample:
    """The four parts, and the number of rows that were left out, by reason."""

    splits: Splits
    left_out: dict[str, int]


def draw_sample(examples: Examples, settings: TrainerSettings) -> Sample:
    """Splits the examples into parts that share no near-duplicates.

    Duplicates and the sentences of the behaviour suite are in no part.
    """
    cleaned = remove_duplicates(examples, held_out_texts())
    rest = cleaned.examples
    groups = near_duplicate_groups(rest.texts)
    test = settings.test_rows or round(len(rest) * settings.test_fraction)
    others = max(0, len(rest) - test)
    sizes = Sizes(
        validation=round(others * settings.validation_fraction),
        calibration=round(others * settings.calibration_fraction),
        test=test,
    )
    by_time = settings.split == "time" or (settings.split == "auto" and rest.created_at is not None)
    splits = split(rest, groups, sizes, order="time" if by_time else "random", seed=settings.seed)
    left_out = {
        **examples.report.left_out,
        "duplicates": cleaned.duplicates,
        "sentences of the behaviour suite": cleaned.excluded,
        "rows with tied labels": cleaned.conflicting,
        "later near-duplicates of an earlier part": splits.dropped,
    }
    log.info(
        "split",
        order=splits.order,
        **{name: len(getattr(splits, name)) for name in PARTS},
        duplicates=cleaned.duplicates,
        behaviour_sentences=cleaned.excluded,
        tied_labels=cleaned.conflicting,
        near_duplicates=len(rest) - len(np.unique(groups)),
        dropped=splits.dropped,
    )
    return Sample(splits, left_out)
