"""Each transform by itself: what it changes, and what it never touches."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from trainer.data.augment import synonyms, typos, word_dropout
from trainer.data.augment.negation import is_negation, protected

SEEDS = range(60)


def of(module: object, text: str, seed: int) -> list[str]:
    """The words after one change."""
    return module.change(text.split(), np.random.default_rng(seed))  # type: ignore[attr-defined,no-any-return]


def test_negations_and_what_they_negate_are_protected_up_to_the_end_of_the_sentence() -> None:
    """In any spelling, with signs around them."""
    words = ["It", "ISN'T", "really", "good.", "A", "nice", "day,", "without", "rain"]
    assert protected(words) == {1, 2, 3, 7, 8}
    for word in ("not", '"Never', "didn\u2019t,", "dont", "(no)", "hardly"):
        assert is_negation(word), word
    for word in ("note", "nothin", "none-of", "cantor", "good"):
        assert not is_negation(word), word


@pytest.mark.parametrize("module", [synonyms, word_dropout])
def test_a_negated_word_is_neither_exchanged_nor_left_out(module: object) -> None:
    """A text with "not good" says something else without "good", or with "great"."""
    text = "honestly this film was not very good, and I never had fun. The rest is nice and friendly"
    for seed in SEEDS:
        found = " ".join(of(module, text, seed))
        assert "not very good, and I never had fun." in found


def test_a_typo_is_one_slip_of_one_word_for_ten() -> None:
    """Length changes by one at most; first letters, short words, negations, mentions and links stay."""
    text = "@someone nothing beats http://example.org/picture but the weather is #beautiful today"
    kinds = set()
    for seed in SEEDS:
        found = of(typos, text, seed)
        differing = [(old, new) for old, new in zip(text.split(), found, strict=True) if old != new]
        assert len(differing) <= 1
        for old, new in differing:
            assert old in {"beats", "weather", "today"}
            assert old[0] == new[0]
            kinds.add(len(new) - len(old))
            if len(old) == len(new):
                wrong = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
                assert len(wrong) == 2 or wrong[0][1] in typos.NEIGHBOURS[wrong[0][0]]
    assert kinds == {-1, 0, 1}
    assert len([1 for old, new in zip((text * 4).split(), of(typos, text * 4, 0), strict=True) if old != new]) <= 4


def test_neighbours_are_keys_that_touch() -> None:
    """On QWERTY."""
    assert set(typos.NEIGHBOURS["s"]) == {"a", "d", "w", "e", "z", "x"}
    assert all(one in typos.NEIGHBOURS[other] for one in typos.NEIGHBOURS for other in typos.NEIGHBOURS[one])


def test_word_dropout_leaves_out_a_tenth_and_at_least_one() -> None:
    """In order; short texts stay as they are."""
    words = [f"w{number}" for number in range(200)]
    kept = [len(of(word_dropout, " ".join(words), seed)) for seed in SEEDS]
    assert 170 < np.mean(kept) < 190
    assert 1 <= len(of(word_dropout, "just five words are here", 0)) < 5
    assert of(word_dropout, "a very good film", 0) == ["a", "very", "good", "film"]
    found = of(word_dropout, " ".join(words), 1)
    assert found == sorted(found, key=words.index)


def test_synonyms_keep_signs_capitals_and_articles() -> None:
    """After "a" no word with a vowel follows, after "an" no other."""
    for seed in SEEDS:
        found = of(synonyms, '"Excellent! a great FILM', seed)
        assert found[0] in {'"Excellent!', '"Superb!', '"Great!', '"Wonderful!', '"Fantastic!', '"Terrific!'}
        assert found[2][0] not in "aeiou"
        assert found[3] in {"FILM", "MOVIE"}
        assert of(synonyms, "an excellent idea", seed) == ["an", "excellent", "idea"]
    assert of(synonyms, "nothing to exchange here", 0) == ["nothing", "to", "exchange", "here"]


def test_no_word_is_in_two_groups_of_synonyms() -> None:
    """Else a word would have synonyms of two meanings."""
    for one, other in combinations(synonyms.GROUPS, 2):
        assert set(one).isdisjoint(other), (one, other)
    assert all(len(group) > 1 for group in synonyms.GROUPS)
