"""Duplicates are removed, and no split ever separates near-duplicates."""

from __future__ import annotations

import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InputDataError
from trainer.data.duplicates import remove_duplicates
from trainer.data.examples import Examples
from trainer.data.near_duplicates import near_duplicate_groups
from trainer.data.parts import PARTS
from trainer.data.splits import Sizes, split

# Few words, so that near-duplicates are common; lengths up to 40, so that rounding of 0.8 n matters.
TEXTS = st.lists(
    st.lists(st.sampled_from(string.ascii_lowercase), min_size=1, max_size=40),
    min_size=30,
    max_size=60,
).map(lambda rows: [" ".join(words) for words in rows])


def examples(texts: list[str], labels: list[int], created_at: list[int] | None = None) -> Examples:
    """A data set with two labels."""
    return Examples(
        texts=tuple(texts),
        labels=np.array(labels, dtype=np.int64),
        label_names=("bad", "good"),
        ids=tuple(f"row-{row}" for row in range(len(texts))),
        source="test",
        created_at=None if created_at is None else np.array(created_at, dtype=np.int64),
    )


@given(TEXTS, st.integers(0, 5), st.booleans())
def test_near_duplicates_never_straddle_parts(texts: list[str], seed: int, by_time: bool) -> None:
    """Whatever the texts, the seed and the order: all used rows of a group lie in one part."""
    data = examples(texts, [row % 2 for row in range(len(texts))], [row * 7 % 23 for row in range(len(texts))])
    groups = near_duplicate_groups(data.texts)
    try:
        found = split(data, groups, Sizes(6, 6, 6), order="time" if by_time else "random", seed=seed)
    except InputDataError:
        return  # a part without a label: nothing was split
    part_of_group: dict[int, str] = {}
    for name in PARTS:
        for row_id in getattr(found, name).ids:
            group = int(groups[int(row_id.removeprefix("row-"))])
            assert part_of_group.setdefault(group, name) == name


def test_random_split_is_exact_stratified_and_repeatable() -> None:
    """Sizes are exact to the row, each part has the labels' shares, and a seed always gives the same rows."""
    data = examples([f"text number {row} x{row}" for row in range(400)], [int(row % 4 == 0) for row in range(400)])
    groups = np.arange(400)
    found = split(data, groups, Sizes(40, 20, 100), order="random", seed=3)
    assert [len(getattr(found, name)) for name in PARTS] == [240, 40, 20, 100]
    assert found.test.counts() == {"bad": 75, "good": 25}
    again = split(data, groups, Sizes(40, 20, 100), order="random", seed=3)
    other = split(data, groups, Sizes(40, 20, 100), order="random", seed=4)
    assert again.test.ids == found.test.ids != other.test.ids


def test_split_by_time_keeps_the_future_out_of_training() -> None:
    """Training rows are older than validation, calibration and test rows, in this order."""
    moments = list(np.random.default_rng(0).permutation(100))
    data = examples([f"t{row} u{row} v{row}" for row in range(100)], [row % 2 for row in range(100)], moments)
    found = split(data, near_duplicate_groups(data.texts), Sizes(20, 20, 20), order="time", seed=0)
    newest = -1
    for name in PARTS:
        times = getattr(found, name).created_at
        assert times.min() > newest
        newest = times.max()


def test_later_twin_of_an_earlier_part_is_dropped() -> None:
    """By time, a test row whose near-duplicate is in training is left out and counted."""
    texts = [f"t{row} u{row} v{row}" for row in range(20)]
    texts[19] = texts[0]
    data = examples(texts, [0, 1] * 10, list(range(20)))
    found = split(data, near_duplicate_groups(texts), Sizes(4, 4, 4), order="time", seed=0)
    assert found.dropped == 1
    assert "row-19" not in found.test.ids
    assert "row-0" in found.train.ids


def test_majority_settles_conflicting_duplicates_and_a_tie_drops_them() -> None:
    """Of equal texts one row stays, with the label that most of them have; if labels tie, none stays."""
    found = remove_duplicates(
        examples(["so good", "So  good", "so GOOD", "tied", "tied", "alone"], [0, 1, 1, 0, 1, 0])
    )
    assert found.examples.texts == ("So  good", "alone")
    assert found.examples.labels.tolist() == [1, 0]
    assert (found.duplicates, found.conflicting) == (2, 2)


def test_a_label_too_rare_for_every_part_is_named() -> None:
    """Two rows cannot serve four parts; the message names the label and its rows."""
    data = examples([f"t{row} u{row}" for row in range(50)], [0] * 48 + [1] * 2)
    with pytest.raises(InputDataError, match=r"no row of label 'good' \(2 of 50"):
        split(data, np.arange(50), Sizes(5, 5, 5), order="random", seed=0)


def test_holding_out_more_than_there_is_says_so() -> None:
    """More held-out rows than rows is an error with both numbers."""
    data = examples(["a", "b"], [0, 1])
    with pytest.raises(InputDataError, match="9 rows are to be held out, but only 2"):
        split(data, np.arange(2), Sizes(3, 3, 3), order="random", seed=0)
