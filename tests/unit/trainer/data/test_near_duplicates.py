"""Near-duplicates are found without exception, in any script, and in seconds."""

from __future__ import annotations

import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.near_duplicates import near_duplicate_groups

# Few words, so that near-duplicates are common; lengths up to 40, so that rounding of 0.8 n matters.
TEXTS = st.lists(
    st.lists(st.sampled_from(string.ascii_lowercase), min_size=1, max_size=40),
    min_size=30,
    max_size=60,
).map(lambda rows: [" ".join(words) for words in rows])


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of the words."""
    first, second = set(one.split()), set(other.split())
    return len(first & second) / len(first | second)


@given(TEXTS, st.sampled_from((0.5, 0.8, 0.9)))
def test_groups_are_those_of_all_pairs(texts: list[str], similar: float) -> None:
    """The groups are the connected components of the similar pairs, whatever the bound; each has its first row."""
    expected = list(range(len(texts)))
    for row, text in enumerate(texts):
        for other in range(row):
            if similarity(text, texts[other]) >= similar:
                first, second = sorted((expected[row], expected[other]))
                expected = [first if group == second else group for group in expected]
    assert near_duplicate_groups(texts, similar).tolist() == expected


def test_long_texts_are_compared_too() -> None:
    """Reviews of 500 words with 40 others in place are one group; with 80 others they are not."""
    words = [f"w{number}" for number in range(500)]
    near, far = words[40:] + [f"x{n}" for n in range(40)], words[80:] + [f"y{n}" for n in range(80)]
    assert near_duplicate_groups([" ".join(row) for row in (words, near, far)]).tolist() == [0, 0, 2]


def test_rounding_loses_no_pair() -> None:
    """28 common words of 35 are exactly 0.8, though 0.8 x 35 is a little above 28 in floating point."""
    one = [f"w{number}" for number in range(35)]
    other = one[:28]
    assert similarity(" ".join(one), " ".join(other)) == 0.8
    assert len(set(near_duplicate_groups([" ".join(one), " ".join(other)]))) == 1


def test_mentions_addresses_and_case_do_not_hide_a_twin() -> None:
    """A shared tweet with another mention and link is a near-duplicate; a different text is not."""
    groups = near_duplicate_groups(
        [
            "RT @ann Great day out there https://a.example/1",
            "great DAY out there http://b.example",
            "a sad evening",
        ]
    )
    assert groups.tolist() == [0, 0, 2]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Love it!", "Love it!!"),
        ("Great movie.", "great movie"),
        ("so good", "soooo good"),
        ("I love this phone", "i love this phone!!! #win"),
        ("Happy birthday @a have a great day http://a.b", "Happy birthday @b have a great day! http://b.c"),
        (
            "\u8fd9\u90e8\u7535\u5f71\u771f\u7684\u975e\u5e38\u597d\u770b\u6211",
            "\u8fd9\u90e8\u7535\u5f71\u771f\u7684\u975e\u5e38\u597d\u770b\u6211\u5011",
        ),
        (
            "\u3053\u306e\u6620\u753b\u306f\u672c\u5f53\u306b\u9762\u767d\u304b\u3063\u305f",
            "\u3053\u306e\u6620\u753b\u306f\u672c\u5f53\u306b\u9762\u767d\u304b\u3063\u305f\u3067\u3059",
        ),
        (
            "\u0e2b\u0e19\u0e31\u0e07\u0e40\u0e23\u0e37\u0e48\u0e2d\u0e07\u0e19\u0e35\u0e49\u0e2a\u0e19\u0e38\u0e01\u0e21\u0e32\u0e01",
            "\u0e2b\u0e19\u0e31\u0e07\u0e40\u0e23\u0e37\u0e48\u0e2d\u0e07\u0e19\u0e35\u0e49\u0e2a\u0e19\u0e38\u0e01\u0e21\u0e32\u0e01\u0e46",
        ),
        ("!!!", "!!! "),
    ],
)
def test_signs_case_and_a_last_character_hide_no_twin(one: str, other: str) -> None:
    """Also in Chinese, Japanese and Thai, which have no spaces between words."""
    assert len(set(near_duplicate_groups([one, other]).tolist())) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a good film", "a bad film"),
        ("good", "bad"),
        (":)", ":("),
        ("\u8fd9\u90e8\u7535\u5f71\u771f\u7684\u597d\u770b", "\u8fd9\u90e8\u7535\u5f71\u771f\u7684\u65e0\u804a"),
        (
            "\u0e2b\u0e19\u0e31\u0e07\u0e40\u0e23\u0e37\u0e48\u0e2d\u0e07\u0e19\u0e35\u0e49\u0e2a\u0e19\u0e38\u0e01",
            "\u0e01\u0e2d\u0e07\u0e17\u0e31\u0e1e\u0e1a\u0e01\u0e44\u0e17\u0e22",
        ),
        ("room 100", "room 10"),
    ],
)
def test_different_texts_stay_apart(one: str, other: str) -> None:
    """A text of signs alone counts by its signs, and digits are never shortened."""
    assert len(set(near_duplicate_groups([one, other]).tolist())) == 2


def test_texts_without_words_are_one_group() -> None:
    """Mentions and links alone say the same: nothing."""
    texts = ["@a", "http://x.y", "@b @c", "RT @d http://z", "hello"]
    assert near_duplicate_groups(texts).tolist() == [0, 0, 0, 0, 4]
    assert near_duplicate_groups([]).tolist() == []


def test_many_rows_of_common_words_are_still_compared_in_one_pass() -> None:
    """20,000 texts of 13 words from 500: each word is in 520 texts, and none of them is a twin but the planted."""
    random = np.random.default_rng(0)
    texts = [" ".join(f"w{word}" for word in row) for row in random.integers(0, 500, size=(20_000, 13))]
    texts[-1] = f"{texts[17]} indeed"
    groups = near_duplicate_groups(texts)
    assert groups[-1] == 17
    assert len(set(groups.tolist())) > 19_900
