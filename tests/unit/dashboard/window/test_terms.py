"""Terms: a planted change is found, and the log-odds ratio is that of the paper."""

from __future__ import annotations

import math
import random

import pytest

from dashboard.views.selection import Stretch
from dashboard.views.topics import terms
from dashboard.window.log_odds import PRIOR_TERMS, changes
from dashboard.window.terms import MAX_COUNTS, Block, Terms, terms_of
from tests.unit.dashboard.records import NOW_S

WORDS = [f"word{number}" for number in range(200)]


def test_log_odds_equal_a_plain_computation() -> None:
    """Given counts of two periods, then z is equation 22 of the paper over the root of equation 20."""
    now, before = {"late": 30, "the": 500, "fine": 10}, {"late": 5, "the": 480, "fine": 40}
    n_now, n_before = 540, 525
    alpha = {term: PRIOR_TERMS * (now[term] + before[term]) / (n_now + n_before) for term in now}

    for one in changes(now, before):
        a = alpha[one.term]
        odds_now = (now[one.term] + a) / (n_now + PRIOR_TERMS - now[one.term] - a)
        odds_before = (before[one.term] + a) / (n_before + PRIOR_TERMS - before[one.term] - a)
        variance = 1 / (now[one.term] + a) + 1 / (before[one.term] + a)
        assert one.z == pytest.approx((math.log(odds_now) - math.log(odds_before)) / math.sqrt(variance))


def test_a_planted_topic_is_among_the_first_three() -> None:
    """Given a stable stream in which one term and one hashtag appear for two minutes, then both lead the list."""
    chance, counted = random.Random(1), Terms()  # noqa: S311 - a test's data
    for second in range(600):
        for _ in range(5):
            words = chance.choices(WORDS, k=8)
            if second >= 480 and chance.random() < 0.15:
                words += ["outage", "#down"]
            at_s = NOW_S - 600 + second
            counted.add(at_s, "negative" if "outage" in words else "neutral", " ".join(words), NOW_S)

    stretch = Stretch(0, int(NOW_S) - 299, 300)
    found = terms(counted, stretch, "")

    assert found["basis"] == "before"
    assert {"outage", "#down"} <= {one["term"] for one in found["rising"][:3]}
    assert found["rising"][0]["labels"].most_common(1)[0][0] == "negative"
    assert not terms(counted, stretch, "neutral")["rising"] or "outage" not in {
        one["term"] for one in terms(counted, stretch, "neutral")["rising"]
    }


def test_a_stable_stream_names_nothing() -> None:
    """Given the same words before and now, then hardly a term is said to have changed."""
    chance, counted = random.Random(2), Terms()  # noqa: S311
    for second in range(600):
        for _ in range(5):
            counted.add(NOW_S - 600 + second, "neutral", " ".join(chance.choices(WORDS, k=8)), NOW_S)

    found = terms(counted, Stretch(0, int(NOW_S) - 299, 300), "")

    assert len(found["rising"]) + len(found["falling"]) < 0.05 * len(WORDS) + 8


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The DELAY, the delay! #Late2 see https://x.y/delay", {"the", "delay", "#late2", "see"}),
        ("не работает 123 ok", {"работает"}),
        ("don't don\u2019t", {"don't", "don\u2019t"}),
        ("", set()),
        ("a" * 100_000, {"a" * 30}),
    ],
)
def test_terms_are_words_and_hashtags(text: str, found: set[str]) -> None:
    """Given a text of any script, then its terms are words of three letters and more, once each, without links."""
    assert found <= terms_of(text)
    assert all(len(term) <= 31 for term in terms_of(text))


def test_a_block_keeps_the_frequent_terms() -> None:
    """Given more terms than a block holds, then the rare ones go first, and the bound holds."""
    block = Block(100)
    for number in range(1_000):
        block.add("neutral", {"steady", f"rare{number}"})

    assert sum(map(len, block.counts.values())) <= 100
    assert block.counts["neutral"]["steady"] == 1_000
    assert MAX_COUNTS < 300_000
