"""The normaliser: total, tidy, and the same for training and service."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.text import NormaliserOptions, normalise

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))  # lone surrogates too
PIECES = (
    "\\ud83d|\\ude00|\\u000a|\\u200b|\\uZZZZ|&amp;|&#10;|&#xD800;|&lt|http://a.b|@you|:-)|\ud800|\u2028|\u2764|\u200d|"
    '\ufe0f|\U0001f469|\U0001f467|"|\u201c|\u201d| |\x00|\x85'
)
FRAGMENTS = st.lists(st.sampled_from(PIECES.split("|"))).map("".join)
OPTIONS = st.builds(NormaliserOptions, lowercase=st.booleans(), remove_stop_words=st.booleans())
UNWANTED = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@settings(deadline=None)
@given(text=ANY_TEXT | FRAGMENTS, options=OPTIONS)
@example(text="\\ud83d", options=NormaliserOptions())
@example(text="&#0;&#x1f;", options=NormaliserOptions())
def test_any_text_becomes_one_clean_line(text: str, options: NormaliserOptions) -> None:
    """Given any text, surrogates included, when normalised, then one line without control characters comes out."""
    clean = normalise(text, options)

    assert {unicodedata.category(char) for char in clean}.isdisjoint(UNWANTED)
    assert clean == clean.strip()
    assert "  " not in clean
    clean.encode()  # no lone surrogate


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("so   good\t\n", "so good"),
        ("a &amp; b &lt;3 &quot;c&quot;", 'a & b <3 "c"'),
        (r"it\u2019s \ud83d\ude00", "it\u2019s grinning face"),
        (r"broken \ud83d pair", "broken pair"),
        (r"no escape \u12", r"no escape \u12"),
        ('"quoted"', "quoted"),
        ("\u201cquoted\u201d", "quoted"),
        ('"left open', "left open"),
        ('say "this" twice', 'say "this" twice'),
        ('"', ""),
        ("@someone hi", "@user hi"),
        ("mail me@home.net", "mail me@home.net"),
        ("see https://t.co/abc?x=1 or www.x.org", "see http or http"),
        ("HTTP://UPPER.example", "http"),
        ("\N{HEAVY BLACK HEART}\ufe0f you", "red heart you"),
        ("\N{WOMAN}\u200d\N{WOMAN}\u200d\N{GIRL}", "family woman woman girl"),
        ("cafe\u0301", "caf\u00e9"),
        ("zero\u200bwidth \u202eback", "zerowidth back"),
        ("a\x00b\x85c\u2028d", "a b c d"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("\u200b", ""),
        ("", ""),
        ("Not BAD", "Not BAD"),
    ],
)
def test_known_texts(text: str, expected: str) -> None:
    """Given a text with one peculiarity, when normalised, then it has the form for the model."""
    assert normalise(text) == expected


def test_lower_case_is_an_option() -> None:
    """Given the option, when normalised, then everything is lower case, including the words for emoji."""
    assert normalise("SO Good \N{SMILING FACE WITH SUNGLASSES}", NormaliserOptions(lowercase=True)) == (
        "so good smiling face with sunglasses"
    )


def test_stop_words_go_and_negations_stay() -> None:
    """Given the option, when normalised, then function words go; words that reverse a sentiment stay."""
    options = NormaliserOptions(remove_stop_words=True)

    assert normalise("It was NOT the best, and never will be", options) == "NOT best, never"


def test_placeholders_do_not_change_when_normalised_again() -> None:
    """Given a normalised tweet, when it comes back as an input, then its placeholders stay unchanged."""
    once = normalise("@a b https://c.d &amp; \N{FIRE}")

    assert normalise(once) == once == "@user b http & fire"
