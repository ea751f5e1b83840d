"""The plan of forward passes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.batching import plan


@settings(deadline=None)
@given(lengths=st.lists(st.integers(0, 300), max_size=60), max_tokens=st.integers(1, 1000))
def test_every_text_is_in_one_batch_within_the_budget(lengths: list[int], max_tokens: int) -> None:
    """Given any lengths, when planned, then each index comes once, longest first, and no batch exceeds the budget.

    Only a text that is longer than the budget by itself does, alone in its batch.
    """
    batches = plan(lengths, max_tokens)

    order = [index for batch in batches for index in batch]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[index] for index in order] == sorted(lengths, reverse=True)
    for batch in batches:
        assert batch
        assert len(batch) == 1 or len(batch) * lengths[batch[0]] <= max_tokens


@pytest.mark.parametrize(
    ("lengths", "max_tokens", "expected"),
    [
        ([], 100, []),
        ([5], 1, [[0]]),
        ([10, 10, 10, 10], 20, [[0, 1], [2, 3]]),
        ([1, 50, 2, 49], 100, [[1, 3], [2, 0]]),
        ([3, 3, 3, 3, 3], 100, [[0, 1, 2, 3, 4]]),
    ],
)
def test_batches_are_as_full_as_the_budget_lets_them(
    lengths: list[int], max_tokens: int, expected: list[list[int]]
) -> None:
    """Given known lengths, when planned, then the batches are these: full, and equals in order of arrival."""
    assert plan(lengths, max_tokens) == expected
