"""`POST /v1/score`: results as in the topic, problems by RFC 9457, and no text in either of them."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from consumer.events import RequestAnswered
from consumer.http.problems import MEDIA_TYPE, ProblemDetails
from shared.errors import ScorerError
from shared.messages import Result
from tests.support.fakes import UNSCORABLE, FakeScorer, oracle
from tests.unit.consumer.http.conftest import SCORE, HttpSide, until

if TYPE_CHECKING:
    from httpx2 import Response

PRIVATE = "hunter2 is what nobody may read"
KEY = "0123456789abcdef"


def problem(response: Response, status: int, reason: str) -> ProblemDetails:
    """The problem of a response, whose status and reason must be these; it quotes nothing."""
    assert (response.status_code, response.headers["content-type"]) == (status, MEDIA_TYPE)
    assert "hunter2" not in response.text
    found = ProblemDetails.model_validate_json(response.content)
    assert (found.status, found.reason) == (status, reason)
    return found


def test_one_text_is_answered_with_its_result(side: HttpSide) -> None:
    """Given one text with an id, then the answer is the result that the topic would hold, without a source."""
    response = side.client().post(SCORE, json={"id": "7", "text": "fine", "source": "ignored"})

    assert response.status_code == 200
    result = Result.model_validate_json(response.content)
    assert (result.id, result.source, "text" in response.json()) == ("7", None, False)
    assert tuple(result.probabilities.values()) == tuple(round(one, 6) for one in oracle("fine").probabilities)


def test_several_texts_are_answered_in_their_order(side: HttpSide) -> None:
    """Given a list of more texts than one batch holds, then each result is in the place of its text."""
    texts = [f"text {number}" for number in range(40)]
    response = side.client().post(SCORE, json=[{"text": text} for text in texts] + [{"text": "last", "id": 3}])

    results = [Result.model_validate(one) for one in response.json()]
    assert [one.id for one in results] == [f"text-{number + 1}" for number in range(40)] + ["3"]
    for text, result in zip([*texts, "last"], results, strict=True):
        assert result.score == round(max(oracle(text).probabilities), 6)


def test_the_text_comes_back_if_the_results_have_it() -> None:
    """Given `include_text`, then the result has the text, as in the topic."""
    side = HttpSide()
    side.settings = side.settings.model_copy(update={"include_text": True})
    side.begin()

    assert side.client().post(SCORE, json={"text": "fine"}).json()["text"] == "fine"


@pytest.mark.parametrize(
    ("body", "reason", "pointers"),
    [
        (b"", "not_json", []),
        (b'{"text": "hunter2', "not_json", []),
        (b'{"text": "\xff"}', "not_json", []),
        (b"[" * 5_000, "not_json", []),
        (b"[]", "invalid", [""]),
        (b'"hunter2"', "invalid", [""]),
        (b'{"hunter2": 1}', "invalid", ["/text"]),
        (b'{"text": ["hunter2"]}', "invalid", ["/text"]),
        (b'[{"text": "a"}, {"text": " \\n", "id": true}]', "invalid", ["/1/text", "/1/id"]),
        (json.dumps({"text": "hunter2" * 10_000}).encode(), "invalid", ["/text"]),
        (json.dumps([{"text": "hunter2"}] * 257).encode(), "invalid", [""]),
        (b'{"text": "a", "id": %b}' % (b"9" * 600), "invalid", ["/id"]),
    ],
)
def test_a_body_that_cannot_be_read_is_explained(
    body: bytes, reason: str, pointers: list[str], side: HttpSide
) -> None:
    """Given a faulty body, then the status is 422, each fault has its place, and nothing of it is quoted."""
    response = side.client().post(SCORE, content=body, headers={"Content-Type": "application/json"})

    assert [one.pointer for one in problem(response, 422, reason).errors] == pointers


def test_what_the_topic_reads_is_read_here(side: HttpSide) -> None:
    """Given half of an emoji, control characters, a byte order mark or UTF-16, then the text is scored."""
    client, headers = side.client(), {"Content-Type": "application/json; charset=utf-8"}
    for body in (b'{"text": "cut \\ud83d"}', b'{"text": "a\tb"}', b'\xef\xbb\xbf{"text": "a"}'):
        assert client.post(SCORE, content=body, headers=headers).status_code == 200
    assert client.post(SCORE, content='{"text": "a"}'.encode("utf-16"), headers=headers).status_code == 200


def test_a_text_without_a_score_is_named_by_its_place() -> None:
    """Given a text that the model fails on, then the request has no results and the place is named."""
    side = HttpSide()
    side.begin(FakeScorer(unscorable=[PRIVATE]))
    response = side.client().post(SCORE, json=[{"text": "fine"}, {"text": PRIVATE}])

    (fault,) = problem(response, 422, "unscorable").errors
    assert (fault.pointer, fault.detail) == ("/1/text", UNSCORABLE.reason)


def test_a_large_body_is_refused_before_it_is_read() -> None:
    """Given more bytes than the limit, declared or sent in chunks, then the status is 413."""
    side = HttpSide(max_body_bytes=1_024)
    side.begin()
    headers = {"Content-Type": "application/json"}
    body = b'{"text": "%b"}' % (b"x" * 1_024)

    problem(side.client().post(SCORE, content=body, headers=headers), 413, "body_too_large")
    problem(side.client().post(SCORE, content=iter([body]), headers=headers), 413, "body_too_large")


def test_only_json_is_taken(side: HttpSide) -> None:
    """Given a form or plain text, which a page of another origin may send, then the status is 415."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        response = side.client().post(SCORE, content=b'{"text": "a"}', headers={"Content-Type": kind})
        problem(response, 415, "not_json_type")


@pytest.mark.parametrize("given", [None, "", KEY[:-1], KEY + "0", "\u00fcmlaut"])
def test_without_the_key_nothing_is_scored(given: str | None) -> None:
    """Given an API key, when a request has none or another, then the status is 401; probes need none."""
    side = HttpSide(api_key=KEY)
    side.begin()
    headers = {} if given is None else {"X-API-Key": given.encode()}
    response = side.client().post(SCORE, json={"text": "a"}, headers=headers)  # type: ignore[arg-type]

    problem(response, 401, "unauthorized")
    assert response.headers["www-authenticate"]
    assert [one.status for one in side.answered()] == [401]
    assert side.client().get("/livez").status_code == 200
    assert side.client().post(SCORE, json={"text": "a"}, headers={"X-API-Key": KEY}).status_code == 200


def test_before_the_model_is_loaded_the_answer_is_503() -> None:
    """Given no model yet, then a request is asked to come again."""
    response = HttpSide().client().post(SCORE, json={"text": "a"})

    problem(response, 503, "starting")
    assert response.headers["retry-after"] == "5"


def test_while_records_are_scored_alone_no_text_is_taken(side: HttpSide) -> None:
    """Given a stream that looks for the record that ends the process, then no request can be taken for it."""
    side.state.is_isolating = lambda: True
    problem(side.client().post(SCORE, json={"text": "a"}), 503, "isolating")


def test_a_scorer_that_fails_ends_the_process() -> None:
    """Given a device that fails, then the client may try again and the main thread raises the error."""
    side = HttpSide()
    side.begin(FakeScorer(error=ScorerError("the device is gone")))

    problem(side.client().post(SCORE, json=[{"text": f"text {n}"} for n in range(30)]), 503, "scorer_failed")
    with pytest.raises(ScorerError, match="the device is gone"):
        side.state.check()


def test_what_nobody_foresaw_is_a_500_without_a_text(
    side: HttpSide, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given a bug, then the client has a problem, and neither it nor the log quotes the text."""

    def bug(*_: object, **__: object) -> None:
        raise ValueError(PRIVATE)

    monkeypatch.setattr("consumer.http.app.read_body", bug)
    with side.listening() as client:
        problem(client.post(SCORE, json={"text": PRIVATE}), 500, "unforeseen")

    assert [one.status for one in side.answered()] == [500]
    assert "hunter2" not in "".join(capsys.readouterr())


def test_a_request_is_an_event(side: HttpSide) -> None:
    """Given requests, then each is an event with its status, reason and number of texts."""
    client = side.client()
    client.post(SCORE, json=[{"text": "a"}, {"text": "b"}])
    client.post(SCORE, json=[])

    assert [(one.status, one.reason, one.texts) for one in side.answered()] == [(200, "", 2), (422, "invalid", 0)]
    assert all(isinstance(one, RequestAnswered) and one.seconds >= 0 for one in side.events)


def test_above_the_waiting_texts_the_answer_is_429(gate: threading.Event) -> None:
    """Given as many texts as may wait, when one more comes, then its client is told when to come again."""
    side = HttpSide(max_texts=4, max_waiting_texts=4)
    side.begin(FakeScorer(gates=[gate]))
    with side.listening() as client:
        first = _later(client, [{"text": f"text {number}"} for number in range(4)])
        until(lambda: vars(side.scoring)["_waiting_texts"] == 4)
        response = client.post(SCORE, json={"text": "one more"})
        problem(response, 429, "too_many_texts_waiting")
        assert int(response.headers["retry-after"]) >= 1
        gate.set()
        assert first().status_code == 200
        assert client.post(SCORE, json={"text": "one more"}).status_code == 200


def test_above_the_requests_the_answer_is_429(gate: threading.Event) -> None:
    """Given as many requests as are taken, then one more is refused before its body is read."""
    side = HttpSide(max_requests=1)
    side.begin(FakeScorer(gates=[gate]))
    with side.listening() as client:
        first = _later(client, {"text": "a"})
        until(lambda: vars(side.scoring)["_waiting_texts"])
        problem(client.post(SCORE, content=b"no body"), 429, "too_many_requests")
        gate.set()
        assert first().status_code == 200


def test_a_late_answer_is_a_503_and_its_texts_are_dropped(gate: threading.Event) -> None:
    """Given a busy device, when a request waits for `timeout_s`, then it is answered and never scored."""
    side = HttpSide(timeout_s=0.2)
    scorer = FakeScorer(gates=[gate])
    scheduler = side.begin(scorer)
    busy = scheduler.submit(["busy"])
    until(lambda: scorer.calls)
    problem(side.client().post(SCORE, json={"text": "late"}), 503, "timeout")
    gate.set()

    busy.result(10)
    assert scheduler.submit(["next"], low_priority=True).result(10)
    assert "late" not in [text for call in scorer.calls for text in call]


def test_a_client_that_leaves_frees_its_place(gate: threading.Event) -> None:
    """Given a request that waits, when its client leaves, then its texts are dropped at once."""
    side = HttpSide()
    scorer = FakeScorer(gates=[gate])
    scheduler = side.begin(scorer)
    busy = scheduler.submit(["busy"])
    until(lambda: scorer.calls)
    with side.listening() as client:
        leaver = _later(client, {"text": "left"}, timeout_s=0.3)
        until(lambda: vars(side.scoring)["_waiting_texts"] == 1)
        with pytest.raises(Exception, match="timed out"):
            leaver()
        until(lambda: not vars(side.scoring)["_waiting_texts"])
        gate.set()
        busy.result(10)
        assert client.post(SCORE, json={"text": "next"}).status_code == 200

    assert [(one.status, one.reason) for one in side.answered()] == [(499, "client_left"), (200, "")]
    assert "left" not in [text for call in scorer.calls for text in call]


def _later(client: Any, body: object, timeout_s: float = 10.0) -> Any:
    """Sends a request on a thread; returns a function that waits for its response or raises its error."""
    outcome: list[Any] = []

    def send() -> None:
        try:
            outcome.append(client.post(SCORE, json=body, timeout=timeout_s))
        except Exception as error:  # noqa: BLE001 - raised by `wait`
            outcome.append(error)

    thread = threading.Thread(target=send)
    thread.start()

    def wait() -> Any:
        thread.join()
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    return wait
