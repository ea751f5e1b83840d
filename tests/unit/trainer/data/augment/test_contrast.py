"""Contrast rows: labels, balance, and nothing of the behaviour suite in them."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from shared.errors import SettingsError
from trainer.data.augment import contrast
from trainer.data.augment.contrast import contrast_rows, contrast_settings, most, with_contrast_rows
from trainer.data.examples import Examples
from trainer.evaluation.behaviour.capabilities import identity
from trainer.evaluation.behaviour.suite import held_out_texts, sentences

LARGEST: Final = 10_000
"""Of the setting."""


def examples(*labels: str) -> Examples:
    """One row of each label."""
    rows = len(labels)
    return Examples(tuple(f"text {row}" for row in range(rows)), np.arange(rows), labels,
                    tuple(map(str, range(rows))), "made up")  # fmt: skip


def content(text: str) -> frozenset[str]:
    """Words that are no function words."""
    words = re.findall(r"[a-z][a-z'-]+", text.lower())
    return frozenset(word for word in words if word not in ENGLISH_STOP_WORDS)


def test_no_sentence_and_no_pair_of_content_words_is_in_the_suite() -> None:
    """So no template is, either: each has such words in its slots."""
    pairs = {pair for text in sentences() for pair in combinations(sorted(content(text)), 2)}
    for text, _ in contrast_rows(LARGEST, 0, neutral=True):
        assert text.casefold() not in held_out_texts()
        assert pairs.isdisjoint(combinations(sorted(content(text)), 2))


def test_two_terms_of_each_group_are_in_the_suite_alone() -> None:
    """The identity tests also show whether what is learned holds for terms that training does not have."""
    for group, terms in identity.TERMS.items():
        assert len(set(terms) - set(contrast.TERMS[group])) >= 2
        assert len(set(terms) & set(contrast.TERMS[group])) >= 2


@pytest.mark.parametrize("neutral", [True, False])
def test_there_are_enough_rows_for_the_largest_setting(neutral: bool) -> None:
    """With shares as stated, within a row for each kind."""
    assert most(neutral) >= LARGEST
    assert sum(contrast.SHARES.values()) == pytest.approx(1)
    rows = contrast_rows(LARGEST, 0, neutral=neutral)
    assert len(rows) == LARGEST
    with pytest.raises(SettingsError, match="is more than there are; give at most"):
        contrast_rows(10 * LARGEST, 0, neutral=neutral)


def test_a_text_has_one_label() -> None:
    """Whatever kind made it."""
    rows = contrast_rows(LARGEST, 0, neutral=True)
    assert len({text for text, _ in rows}) == len(set(rows))


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 300), st.integers(0, 2**32 - 1), st.booleans())
def test_the_same_seed_gives_the_same_rows(count: int, seed: int, neutral: bool) -> None:
    """As many as asked for, and no neutral ones for a model without that label."""
    rows = contrast_rows(count, seed, neutral=neutral)
    assert rows == contrast_rows(count, seed, neutral=neutral)
    assert len(rows) == count
    assert neutral or all(polarity for _, polarity in rows)


@pytest.mark.parametrize(
    ("text", "with_neutral", "without"),
    [
        ("This book is not helpful at all", -1, -1),
        ("This book is not ugly at all", 0, 1),
        ("The book is anything but ugly", 1, 1),
        ("The book is not wooden", 0, None),
        ("The book once seemed ugly to me; these days it is nice", 1, 1),
        ("My boss calls the book nice. I find it ugly", -1, -1),
        ("Would I call the book ugly? absolutely not", 0, 1),
        ("The lawyer at our office is Hindu", 0, None),
        ("I am proud of my Hindu lawyer", 1, 1),
    ],
)
def test_the_rule_of_the_labels(text: str, with_neutral: int, without: int | None) -> None:
    """With and without a neutral label."""
    for neutral, polarity in ((True, with_neutral), (False, without)):
        units = [unit for kind in contrast._kinds(neutral).values() for unit in kind]  # noqa: SLF001
        assert {one for unit in units for line, one in unit if line == text} == {polarity} - {None}


def test_rows_are_added_behind_the_others() -> None:
    """With the labels of the data, in whatever order these are."""
    before = replace(examples("positive", "negative"), sources=("shop", "forum"))
    found = with_contrast_rows(before, 100, 3, {"positive": 1, "negative": -1})
    assert found.sources is None  # a slice of them would mean nothing
    rows = contrast_rows(100, 3, neutral=False)
    assert found.texts == ("text 0", "text 1", *(text for text, _ in rows))
    assert found.labels.tolist() == [0, 1, *(int(polarity < 0) for _, polarity in rows)]
    assert len(found.ids) == 102


def test_no_rows_change_nothing() -> None:
    """Also where labels have no polarity; with some, such labels are refused."""
    other = examples("anger", "joy")
    assert with_contrast_rows(other, 0, 0, None) is other
    with pytest.raises(SettingsError, match="--contrast-rows has no labels to give: the labels 'anger', 'joy'"):
        with_contrast_rows(other, 10, 0, None)
    assert contrast_settings(0) == {"contrast_rows": 0}
    assert contrast_settings(5).keys() == {"contrast_rows", "contrast_templates"}
