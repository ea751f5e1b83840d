"""Scores and health over HTTP, by whole processes: next to a stream, without Kafka, and while brokers are away."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import httpx2
import pytest

from sentiment_testing.kafka import UnavailableError, answers, local_node
from sentiment_testing.process import ConsumerProcess, console_script
from tests.conftest import skip_or_fail
from tests.integration.conftest import PARTITIONS, Topics
from tests.support.processes import free_port, run_command
from tests.support.topics import Sent, group_commits, produce, read_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.conftest import Consumers

MESSAGES: Final = 8_000
CLIENTS: Final = 50
REQUESTS: Final = 6
"""Of each client, at least; more while the stream is read."""
TEXTS: Final = 4
TOLERANCE: Final = 1e-3
FP32: Final = ("--precision", "fp32")
"""In 16 bits an answer depends on its neighbours by more than the tolerance."""
TIGHT: Final = {
    "SENTIMENT_CACHE": "0",  # each text is scored by the model, wherever it comes from
    "SENTIMENT_HTTP__MAX_TEXTS": "16",
    "SENTIMENT_HTTP__MAX_WAITING_TEXTS": "64",
    "SENTIMENT_LIMITS__BATCH_RECORDS": "256",
}
AWAY_S: Final = float(os.environ.get("TEST_AWAY_S", "15"))
"""How long the broker is away; TEST_AWAY_S sets another time."""
STOP_S: Final = 10.0
READY_S: Final = 120.0


@pytest.fixture
def port() -> int:
    """Where the process listens."""
    return free_port()


@pytest.fixture
def client(port: int) -> Iterator[httpx2.Client]:
    """A client of the process that listens on the port."""
    limits = httpx2.Limits(max_connections=2 * CLIENTS)
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False, limits=limits) as found:
        yield found


def test_clients_beside_a_loaded_stream(
    *, topics: Topics, model: Path, consumers: Consumers, client: httpx2.Client, port: int
) -> None:
    """Given 50 clients and a stream, all at once, then both have equal scores, and overload costs only clients.

    More texts come than may wait, so some answers are 429. The stream has each result once, and no recovery.
    """
    texts = [f"message {number} is fine " * (1 + number % 7) for number in range(MESSAGES)]
    flags = topics.flags("--model", str(model), "--delivery", "exactly-once", "--http-port", str(port), *FP32)
    consumer = consumers.start(flags, TIGHT)
    _await_ready(client)
    answers = _Clients(client, texts)
    answers.start()
    values = [json.dumps({"id": str(number), "text": text}) for number, text in enumerate(texts)]
    records = [Sent(value.encode(), partition=n % PARTITIONS) for n, value in enumerate(values)]
    produce(topics.servers, topics.texts, records)
    _await_committed(topics)
    answers.join()
    assert consumer.terminate()[0] == 0

    results = [json.loads(message.value() or b"") for message in read_all(topics.servers, topics.sentiments)]
    assert Counter(one["id"] for one in results) == Counter({str(number): 1 for number in range(MESSAGES)})
    assert '"recoveries": 0' in consumer.log
    assert not read_all(topics.servers, topics.letters)
    by_text = {int(one["id"]): one for one in results}
    assert set(answers.statuses) == {200, 429}, answers.statuses
    assert len(answers.results) >= CLIENTS * TEXTS
    for result in answers.results:
        expected = by_text[int(result["id"])]
        assert result["model"] == expected["model"]
        assert result["probabilities"] == pytest.approx(expected["probabilities"], abs=TOLERANCE)


def test_the_stop_fails_readyz_first(
    *, topics: Topics, model: Path, consumers: Consumers, client: httpx2.Client, port: int
) -> None:
    """Given a member of a group, when it is asked to stop, then /readyz fails while texts are still scored."""
    flags = topics.flags("--model", str(model), "--http-port", str(port))
    consumer = consumers.start(flags)
    _await_ready(client)
    outcome: list[tuple[int, float]] = []
    ending = threading.Thread(target=lambda: outcome.append(consumer.terminate(signal.SIGTERM)))
    ending.start()
    while client.get("/readyz").status_code == 200:
        pass
    assert client.get("/livez").status_code == 200
    assert client.post("/v1/score", json={"text": "still scored"}).status_code == 200
    ending.join()

    assert outcome[0][0] == 0
    assert outcome[0][1] < STOP_S


@pytest.mark.kafka
def test_a_broker_that_is_away_ends_nothing(
    *, model: Path, consumers: Consumers, client: httpx2.Client, port: int
) -> None:
    """Given a broker that does not answer for AWAY_S, then all probes succeed, and the stream goes on later."""
    try:
        with local_node(0) as node:
            servers = node.broker.bootstrap_servers
            topics = Topics(servers, "texts", "sentiments", "letters", "group")
            names = ("--input-topic", "texts", "--output-topic", "sentiments", "--dlq-topic", "letters")
            made = run_command("consumer", "topics", "create", "--bootstrap-servers", servers, *names)
            assert made.returncode == 0, made.stderr
            consumer = consumers.start(topics.flags("--model", str(model), "--http-port", str(port)))
            _await_ready(client)
            node.pause()
            back_s = time.monotonic() + AWAY_S
            while time.monotonic() < back_s:
                for path in ("/livez", "/readyz", "/startupz"):
                    assert client.get(path).status_code == 200
                assert client.post("/v1/score", json={"text": f"at {time.monotonic()}"}).status_code == 200
                time.sleep(0.5)
            assert not answers(servers, timeout_s=1)
            node.resume()
            produce(servers, "texts", [Sent(b'{"text": "fine"}')])
            consumer.await_log('"results": 1')
            assert consumer.terminate()[0] == 0
    except UnavailableError as why:
        skip_or_fail(str(why))


def test_it_serves_without_kafka(*, model: Path, tmp_path: Path, client: httpx2.Client, port: int) -> None:
    """Given `serve`, then scores are those of `score`, `health` follows the process, and SIGTERM ends it."""
    address = ("--http-port", str(port))
    assert run_command("consumer", "health", *address).returncode == 1
    process = ConsumerProcess(
        tmp_path / "log", "--model", str(model), *address, command=(console_script(), "serve")
    )
    try:
        _await_ready(client)
        assert run_command("consumer", "health", *address).returncode == 0
        result = client.post("/v1/score", json={"text": "fine", "id": "a"}).json()
        code, seconds = process.terminate()
    finally:
        process.close()

    done = run_command(
        "consumer", "score", "--json", "--model", str(model), stdin=b'{"text": "fine", "id": "a"}\n'
    )
    expected = json.loads(done.stdout)
    assert result["probabilities"] == pytest.approx(expected["probabilities"], abs=TOLERANCE)
    assert (result["label"], result["model"]) == (expected["label"], expected["model"])
    assert (code, seconds < STOP_S) == (0, True)


class _Clients:
    """Clients that send texts of the stream until they are joined; ids are the numbers of the texts."""

    def __init__(self, client: httpx2.Client, texts: list[str]) -> None:
        self.statuses: Counter[int] = Counter()
        self.results: list[dict[str, Any]] = []
        self._client = client
        self._texts = texts
        self._done = threading.Event()
        self._errors: list[Exception] = []
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]

    def start(self) -> None:
        """Starts all of them."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Lets each end its requests; raises what any of them met."""
        self._done.set()
        for thread in self._threads:
            thread.join()
        for error in self._errors:
            raise error

    def _run(self, number: int) -> None:
        try:
            sent = 0
            while sent < REQUESTS or not self._done.is_set():
                self._send((number * 997 + sent * 31) % (MESSAGES - TEXTS))
                sent += 1
        except Exception as error:  # noqa: BLE001 - raised by `join`
            self._errors.append(error)

    def _send(self, first: int) -> None:
        places = range(first, first + TEXTS)
        response = self._client.post(
            "/v1/score", json=[{"id": str(place), "text": self._texts[place]} for place in places]
        )
        self.statuses[response.status_code] += 1
        if response.status_code == 200:
            self.results += response.json()
        else:
            # A client that does not wait would only measure how fast 429 is.
            assert int(response.headers["retry-after"]) >= 1, response.text
            self._done.wait(0.2)


def _await_ready(client: httpx2.Client) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.05)
    pytest.fail("it does not become ready")


def _await_committed(topics: Topics) -> None:
    deadline = time.monotonic() + READY_S
    places = [(topics.texts, partition) for partition in range(PARTITIONS)]
    while sum(max(0, one.offset) for one in group_commits(topics.servers, topics.group, places)) < MESSAGES:
        assert time.monotonic() < deadline
        time.sleep(0.1)
