"""Where a long text is cut."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.inference.tokenization.segments import segments_of

WORDS = st.text(st.sampled_from("abc."), min_size=1, max_size=6)
TEXTS = st.one_of(
    st.builds(
        lambda words, joint: joint.join(words),
        st.lists(WORDS, min_size=1, max_size=80),
        st.sampled_from([" ", "\n", "", "\u3002"]),
    ),
    st.text(min_size=1, max_size=200),
)


def spans_of(text: str) -> list[tuple[int, int]]:
    """Tokens of at most three letters, or one other character; white space is in none."""
    return [found.span() for found in re.finditer(r"\w{1,3}|[^\w\s]", text)]


def tokens_in(spans: list[tuple[int, int]], segment: tuple[int, int]) -> list[int]:
    """The tokens of a segment."""
    start, end = segment
    return [number for number, span in enumerate(spans) if start <= span[0] and span[1] <= end]


@given(text=TEXTS, room=st.integers(1, 40), share=st.integers(4, 12))
def test_every_token_is_in_a_segment_that_fits(text: str, room: int, share: int) -> None:
    """Given any text, when cut, then each segment fits, and all tokens are read in order, few of them twice."""
    spans = spans_of(text)
    if not spans:
        return
    overlap = room // share

    found = [tokens_in(spans, one) for one in segments_of(text, spans, room, overlap)]

    assert all(0 < len(tokens) <= room for tokens in found)
    assert sorted({token for tokens in found for token in tokens}) == list(range(len(spans)))
    for before, after in pairwise(found):
        assert before[0] < after[0]
        assert before[-1] < after[-1]
        assert 0 <= before[-1] + 1 - after[0] <= overlap


def test_a_segment_ends_with_a_sentence() -> None:
    """Given sentences, when a text is cut, then at their ends, and the next segment begins with a whole one."""
    sentences = ["One two three four.", "Five six!", "Seven eight nine ten?", "Eleven twelve."]
    text = " ".join(sentences)

    found = [text[start:end] for start, end in segments_of(text, spans_of(text), room=18, overlap=4)]

    assert found == [" ".join(sentences[:2]), " ".join(sentences[1:])]


def test_a_sentence_without_an_end_is_cut_between_words() -> None:
    """Given a sentence longer than a row, when it is cut, then between words."""
    text = "aaaaa bbbbb ccccc ddddd eeeee"

    found = [text[start:end] for start, end in segments_of(text, spans_of(text), room=5, overlap=0)]

    assert found == ["aaaaa bbbbb", "ccccc ddddd", "eeeee"]


def test_a_script_without_spaces_is_cut_at_its_own_full_stops() -> None:
    """Given Chinese sentences, when cut, then behind their full stops."""
    text = "\u4eca\u5929\u3002\u660e\u5929\u5f88\u597d\u3002\u6628\u5929\u3002"

    spans = [(place, place + 1) for place in range(len(text))]
    found = [text[start:end] for start, end in segments_of(text, spans, room=8, overlap=0)]

    assert found == [text[:8], text[8:]]
