"""Runs all checks over labelled texts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from trainer.data.datasets.published import TRAIN, joined
from trainer.data.quality.classes import count_classes
from trainer.data.quality.drift import measure_drift
from trainer.data.quality.findings import DataQuality, Scope
from trainer.data.quality.label_errors import find_label_errors
from trainer.data.quality.lengths import measure_lengths
from trainer.data.quality.overlap import find_overlaps
from trainer.data.quality.repeats import exact_groups, find_repeats, near_groups
from trainer.data.quality.scripts import count_scripts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainer.data.examples import Examples
    from trainer.data.quality.lengths import BaseTokenizer


def with_parts(examples: Examples, given: Mapping[str, Examples]) -> Examples:
    """All rows as one, each with its part; rows without one are for training."""
    if not given:
        return examples
    together = joined({TRAIN: examples, **given}, examples.source)
    if examples.parts is None or together.parts is None:
        return together
    return replace(together, parts=(*examples.parts, *together.parts[len(examples) :]))


def inspect_data(
    examples: Examples, name: str, base: BaseTokenizer | None = None, *, seed: int = 0, show_texts: bool = False
) -> DataQuality:
    """The report on all rows; of the slow checks on a random sample, which `seed` draws.

    Without the tokenizer of a base, lengths are in words. Texts are in the report only with `show_texts`.
    """
    exact = exact_groups(examples)
    every = np.arange(len(examples))
    scope = Scope(rows=len(examples), of=len(examples))
    sample, near = near_groups(examples, seed)
    return DataQuality(
        data=name,
        rows=examples.report.rows or len(examples),
        used=len(examples),
        left_out=dict(examples.report.left_out),
        repeated_ids=examples.report.repeated_ids,
        parts=dict(Counter(examples.parts or ())),
        classes=count_classes(examples),
        lengths=measure_lengths(examples, base, seed),
        scripts=count_scripts(examples, seed),
        exact=find_repeats(examples, every, exact, scope, show_texts=show_texts),
        near=find_repeats(examples, sample.rows, near, sample.scope, show_texts=show_texts),
        overlaps=find_overlaps(examples, exact, sample, near),
        label_errors=find_label_errors(examples, exact, seed, show_texts=show_texts),
        drift=measure_drift(examples, seed),
    )
