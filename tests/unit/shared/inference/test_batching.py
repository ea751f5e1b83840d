"""The plan of forward passes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.inference.batching import MAX_ROWS, ROWS_STEP, cost, make_batches


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(0, 300), max_size=60),
    max_tokens=st.integers(1, 1000),
    padding=st.integers(0, 200),
)
def test_every_text_is_in_one_batch_within_the_budget(lengths: list[int], max_tokens: int, padding: int) -> None:
    """Given any lengths, when planned, then each index comes once, longest first, and no batch exceeds the budget.

    The only exception is a text that is longer than the budget, alone in its batch. The padding stays within its
    limit too.
    """
    batches = make_batches(lengths, max_tokens, padding=padding)

    order = [index for batch in batches for index in batch]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[index] for index in order] == sorted(lengths, reverse=True)
    for batch in batches:
        assert batch
        assert len(batch) == 1 or len(batch) * lengths[batch[0]] <= max_tokens
        assert len(batch) < ROWS_STEP or len(batch) % ROWS_STEP == 0
        assert len(batch) * max(1, lengths[batch[0]]) - sum(max(1, lengths[index]) for index in batch) <= padding


@pytest.mark.parametrize(
    ("lengths", "max_tokens", "padding", "expected"),
    [
        ([], 100, 100, []),
        ([5], 1, 100, [[0]]),
        ([10, 10, 10, 10], 20, 100, [[0, 1], [2, 3]]),
        ([1, 50, 2, 49], 100, 100, [[1, 3], [2, 0]]),
        ([3] * 3, 100, 0, [[0, 1, 2]]),
        ([3] * 11, 100, 0, [[0, 1, 2, 3, 4, 5, 6, 7], [8, 9, 10]]),
        ([40, 40, 10, 10, 10], 200, 100, [[0, 1, 2, 3], [4]]),
        ([40, 40, 10, 10, 10], 200, 32, [[0, 1, 2], [3, 4]]),
        ([40, 40, 10, 10, 10], 200, 0, [[0, 1], [2, 3, 4]]),
    ],
)
def test_batches_are_as_full_as_budget_and_padding_let_them(
    lengths: list[int], max_tokens: int, padding: int, expected: list[list[int]]
) -> None:
    """Given known lengths, when planned, then the batches are as listed: full, and equals in order of arrival."""
    assert make_batches(lengths, max_tokens, padding=padding) == expected


@settings(deadline=None)
@given(lengths=st.lists(st.integers(0, 300), max_size=60), max_tokens=st.integers(1, 1000))
def test_without_padding_the_sum_counts(lengths: list[int], max_tokens: int) -> None:
    """Given an engine that does not pad, when planned, then batches are limited by their sum, longest first."""
    batches = make_batches(lengths, max_tokens, padding=None)

    order = [index for batch in batches for index in batch]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[index] for index in order] == sorted(lengths, reverse=True)
    for batch in batches:
        assert len(batch) == 1 or cost([lengths[index] for index in batch], pads=False) <= max_tokens


@pytest.mark.parametrize("padding", [0, None])
def test_a_batch_has_a_limit_of_rows(padding: int | None) -> None:
    """Given very many short texts and a large budget, when planned, then no batch has more rows than allowed."""
    assert [len(batch) for batch in make_batches([1] * (MAX_ROWS + 1), 1_000_000, padding=padding)] == [
        MAX_ROWS,
        1,
    ]


def test_what_a_pass_computes() -> None:
    """Given rows, when their cost is computed, then it is the padded rectangle, or the sum."""
    assert (cost([5, 3, 1]), cost([5, 3, 1], pads=False), cost([])) == (15, 9, 0)
