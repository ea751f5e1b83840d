"""Rows of one item are answers of several annotators."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from trainer.data.labels.left_out import MERGED, NO_LABEL, TIE, LeftOut
from trainer.data.labels.votes import merge


def test_the_majority_of_the_rows_of_an_item_counts() -> None:
    """Its first labelled row has the label; rows without a label, and items of one row, stay as they are."""
    found: list[str | LeftOut] = ["a", "b", NO_LABEL, "b", "c", "a", "b"]
    keys = [1, 1, 1, 1, 2, 3, 3]
    assert merge(found, keys) == ["b", MERGED, NO_LABEL, MERGED, "c", TIE, MERGED]


@given(st.lists(st.tuples(st.sampled_from(["a", "b", NO_LABEL]), st.integers(0, 4))))
def test_an_item_has_one_label_at_most(rows: list[tuple[str | LeftOut, int]]) -> None:
    """And one row that is not merged, if it has a labelled row."""
    merged = merge([label for label, _ in rows], [key for _, key in rows])
    kept = Counter(
        key for (_, key), label in zip(rows, merged, strict=True) if isinstance(label, str) or label is TIE
    )
    assert kept == Counter({key for label, key in rows if isinstance(label, str)})
