"""The words that an explanation gives a weight to."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.inference.explanation.words import MAX_WORDS, log_odds, spans


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I don't like it :(", ["I", "don't", "like", "it", ":("]),
        ("\u5f88\u597d ok", ["\u5f88", "\u597d", "ok"]),
        ("", []),
        ("\u2028 \t", []),
    ],
)
def test_words_signs_and_unspaced_scripts(text: str, words: list[str]) -> None:
    """Contractions and runs of signs are one word each; signs of scripts without spaces are each one."""
    assert [text[start:end] for start, end in spans(text)] == words


@given(st.text() | st.lists(st.sampled_from(["good", "!!", "\u597d", " "]), max_size=400).map(" ".join))
def test_spans_cover_all_that_is_no_space_in_order(text: str) -> None:
    """No character belongs to two of them, and what lies between is white space or a shared weight."""
    found = spans(text)
    assert len(found) <= MAX_WORDS
    ends = [0, *(one.end for one in found)]
    assert all(end <= one.start < one.end for end, one in zip(ends, found, strict=False))
    between = [text[end : one.start] for end, one in zip(ends, found, strict=False)]
    assert not "".join([*between, text[ends[-1] :]]).strip()


@pytest.mark.parametrize("share", [0.0, 1.0, 0.25])
def test_log_odds_are_finite(share: float) -> None:
    """Also for a probability that was rounded to 0 or 1."""
    found = log_odds([share, 1 - share], 0)
    assert math.isfinite(found)
    assert math.copysign(1, found) == (1 if share > 0.5 else -1)
