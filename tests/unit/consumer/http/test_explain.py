"""`POST /v1/explain`: the result of one text, with what each of its words adds to the log-odds of its label."""

from __future__ import annotations

from typing import Any

import pytest

from consumer.http.problems import ProblemDetails
from shared.inference.explanation.words import MAX_WORDS, log_odds
from shared.messages.explanations import ExplainedResult
from tests.support.fakes import UNSCORABLE, FakeScorer, oracle
from tests.unit.consumer.http.conftest import SCORE, HttpSide

EXPLAIN = "/v1/explain"


def test_a_text_is_explained_word_by_word(side: HttpSide) -> None:
    """Given a text, then its result is as ever, and a weight is what the log-odds lose without the word."""
    client = side.client()
    response = client.post(EXPLAIN, json={"id": "7", "text": "not bad"})
    plain = client.post(SCORE, json={"id": "7", "text": "not bad"}).json()

    assert response.status_code == 200
    found = ExplainedResult.model_validate_json(response.content)
    assert {**response.json(), "scored_at": None} == {
        **plain,
        "scored_at": None,
        "explanation": response.json()["explanation"],
    }
    label = oracle("not bad").label
    whole = log_odds(oracle("not bad").probabilities, label)
    assert found.explanation.label == found.label
    assert [one.text for one in found.explanation.words] == ["not", "bad"]
    for word, rest in zip(found.explanation.words, ["  bad", "not  "], strict=True):
        left = oracle(side.scoring.normalised(rest)).probabilities
        assert word.weight == pytest.approx(whole - log_odds(left, label), abs=1e-3)


def test_a_long_text_takes_a_bounded_number_of_scores(side: HttpSide) -> None:
    """Given a text of many words, then neighbours share a weight."""
    response = side.client().post(EXPLAIN, json={"text": " ".join(f"w{number}" for number in range(1_000))})

    words = response.json()["explanation"]["words"]
    assert len(words) == MAX_WORDS
    assert words[0]["text"].startswith("w0 w1")


@pytest.mark.parametrize("body", [[{"text": "one"}], [], {"text": " "}])
def test_a_list_is_refused_with_what_to_do(side: HttpSide, body: Any) -> None:
    """Given what is not one text, then the answer is a problem."""
    response = side.client().post(EXPLAIN, json=body)

    assert response.status_code == 422
    assert ProblemDetails.model_validate_json(response.content).reason == "invalid"


def test_a_text_without_a_score_has_no_explanation() -> None:
    """Given a text that cannot be scored, then the answer is that of /v1/score."""
    side = HttpSide()
    side.begin(FakeScorer(unscorable={"bad"}))

    response = side.client().post(EXPLAIN, json={"text": "bad"})

    assert response.status_code == 422
    assert response.json()["errors"] == [{"pointer": "/text", "detail": UNSCORABLE.reason}]


def test_its_scores_count_like_those_of_a_list() -> None:
    """Given fewer places for waiting texts than the text has words, then the answer is 429."""
    side = HttpSide(max_texts=4, max_waiting_texts=4)
    side.begin()

    assert side.client().post(EXPLAIN, json={"text": "one two three"}).status_code == 200
    assert side.client().post(EXPLAIN, json={"text": "one two three four"}).status_code == 429
