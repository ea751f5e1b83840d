"""The sentences of the suite."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from trainer.evaluation.behaviour.capabilities.identity import TERMS
from trainer.evaluation.behaviour.cases import NAMES, BehaviourTest, Capability, fill, thin
from trainer.evaluation.behaviour.suite import held_out_texts, sentences, suite, suite_version

CAPABILITIES = {one.name: one for one in suite()}


def test_the_suite_has_the_capabilities_that_gates_name() -> None:
    """In the same order, each with 100 to 500 cases, and every test with 20 or more."""
    assert tuple(CAPABILITIES) == NAMES
    for capability in suite():
        assert 100 <= sum(len(test.cases) for test in capability.tests) <= 500
        assert all(len(test.cases) >= 20 for test in capability.tests)


def test_the_suite_is_the_same_everywhere() -> None:
    """Its version is pinned: who changes a template changes it here, and knows that figures no longer compare."""
    assert suite_version() == "c1ef9a7aa836"
    assert len(sentences()) == len(held_out_texts()) < 5_000


@pytest.mark.parametrize("capability", suite(), ids=lambda one: one.name)
def test_each_case_is_well_formed(capability: Capability) -> None:
    """Texts are clean, no case is there twice, an MFT has one text, DIR two, INV at least two different ones."""
    for test in capability.tests:
        assert len(set(test.cases)) == len(test.cases)
        assert (test.kind == "INV") == (not test.expected)
        for case in test.cases:
            assert len(set(case)) == len(case)
            assert len(case) == {"MFT": 1, "DIR": 2}.get(test.kind, len(case))
            assert len(case) > 1 or test.kind == "MFT"
            assert not any(re.search(r"[{}]|\s\s|\ba [aeiou](?!ni|se)|\ban [^aeiouAEIOU]", text) for text in case)


def test_no_text_is_expected_to_have_two_labels() -> None:
    """A sentence that several tests have has one set of right labels."""
    expected = {(text, test.expected) for one in suite() for test in one.tests if test.kind == "MFT"
                for text in test.texts}  # fmt: skip
    assert max(Counter(text for text, _ in expected).values()) == 1


@pytest.mark.parametrize("test", CAPABILITIES["typos"].tests, ids=lambda one: one.name)
def test_a_typo_changes_one_word_and_not_its_first_letter(test: BehaviourTest) -> None:
    """All other words stay as they are."""
    for before, after in test.cases:
        changed = [pair for pair in zip(before.split(), after.split(), strict=True) if pair[0] != pair[1]]
        assert len(changed) == 1
        assert changed[0][0][0] == changed[0][1][0]


@pytest.mark.parametrize("test", CAPABILITIES["identity"].tests, ids=lambda one: one.name)
def test_identity_cases_differ_in_the_term_only(test: BehaviourTest) -> None:
    """With the term and the article taken out, all texts of a case are equal, and each term is in each case."""
    terms = "|".join(TERMS[test.name])
    for case in test.cases:
        assert len({re.sub(rf"\b(an? )?({terms})\b", "", text, flags=re.IGNORECASE) for text in case}) == 1
        assert len(case) == len(TERMS[test.name])


def test_fill_makes_every_combination_with_its_articles() -> None:
    """In the order of the lists, with a capital at the start."""
    assert fill(["{thing:a} and {thing}, {word:a}"], thing=["app", "Uni"], word=["useful"]) == [
        "An app and app, a useful",
        "A Uni and Uni, a useful",
    ]


def test_thin_takes_always_the_same_cases_in_their_order() -> None:
    """However the cases are ordered, the same ones are chosen; without repeats."""
    cases = [str(number) for number in range(100)]
    chosen = thin(cases, 10)
    assert len(chosen) == 10
    assert set(thin(cases[::-1] + cases, 10)) == set(chosen)
    assert sorted(chosen, key=int) == list(chosen)
