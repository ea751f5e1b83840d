"""A consumer at work on topics of its own: texts go in, results and dead letters come out."""

from __future__ import annotations

import json
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from sentiment_testing.errors import ConsumerError, NotInTimeError
from sentiment_testing.kafka.mock import FETCH_WAIT_MS
from sentiment_testing.kafka.topics import MakeTopic
from sentiment_testing.process import ConsumerProcess
from sentiment_testing.records import Letter, Result, TopicReader, TopicWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from typing import Self

    from sentiment_testing.kafka.broker import Broker

PARTITIONS: Final = 4
"""Of each topic."""
TIMEOUT_S: Final = 60.0
READY_S: Final = 120.0
READY_EVENT: Final = '"event": "partitions_assigned"'
# After a kill, the partitions are given to the next process when this time is over; brokers allow no less.
MEMBERSHIP: Final = {"session.timeout.ms": 6_000, "heartbeat.interval.ms": 500}


class Stack:
    """Three topics, a consumer group, and one `sentiment-consumer run` of it; used by one thread.

    Leaving it as a context manager stops the consumer. On the mock cluster it delivers at least once.
    """

    def __init__(
        self,
        broker: Broker,
        model: Path,
        folder: Path,
        *,
        partitions: int = PARTITIONS,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Creates the topics; nothing runs before `start`.

        `settings` are those of the consumer by their names in docs/settings.md, such as
        {"limits.batch_records": "64"}; `folder` receives the logs of the consumers.
        """
        self.bootstrap_servers = broker.bootstrap_servers
        self._make_topic = MakeTopic(broker)
        topics = [self._make_topic(name, partitions=partitions) for name in ("texts", "sentiments", "letters")]
        self.texts_topic, self.results_topic, self.letters_topic = topics
        self.group_id = f"group-{uuid4()}"
        self._folder = folder
        self._environment = _variables(self._defaults(broker, model, settings) | dict(settings))
        self._writer = TopicWriter(broker, self.texts_topic)
        self._results = TopicReader(broker, self.results_topic)
        self._letters = TopicReader(broker, self.letters_topic)
        self._started: list[ConsumerProcess] = []
        self._ended_by_test = False

    def __enter__(self) -> Self:
        """Starts the consumer."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops the consumer and its readers."""
        self.close()

    @property
    def log(self) -> str:
        """The log of the consumer that was started last, as JSON Lines."""
        return self._started[-1].log if self._started else ""

    @property
    def is_running(self) -> bool:
        """Whether the consumer runs."""
        return bool(self._started) and self._started[-1].exit_code is None

    def start(self) -> None:
        """Starts the consumer and returns when it has its partitions, in about 3 s.

        Raises ConsumerError if it ends before that.
        """
        if self.is_running:
            raise ConsumerError("the consumer runs already; use restart()")
        log = self._folder / f"consumer-{len(self._started)}.log"
        self._ended_by_test = False
        self._started.append(ConsumerProcess(log, env=self._environment))
        self._started[-1].await_log(READY_EVENT, timeout_s=READY_S)

    def kill(self) -> None:
        """Kills the consumer, as a power cut would: what was not committed is scored again after `restart`."""
        self._ended_by_test = True
        self._started[-1].kill()

    def stop(self) -> None:
        """Stops the consumer in an orderly way; raises ConsumerError if it fails."""
        self._ended_by_test = True
        code, _ = self._started[-1].terminate()
        if code != 0:
            raise ConsumerError(
                f"the consumer ended with exit code {code}; its last lines:\n{self._started[-1].tail}"
            )

    def restart(self) -> None:
        """Stops the consumer if it runs, and starts it again; after a kill the group waits for MEMBERSHIP."""
        if self.is_running:
            self.stop()
        self.start()

    def send(self, texts: Iterable[str | bytes | None]) -> list[str]:
        """Writes inputs, waits for their acknowledgement, and returns the ids of their results, in order.

        A str is sent as JSON with an id of its own, bytes and None as they are, which makes bad inputs possible.
        Different texts may go to different partitions, and order is kept within one.
        """
        return self._writer.send([_input(text) for text in texts])

    def results(self, n: int, timeout_s: float = TIMEOUT_S) -> list[Result]:
        """Waits for results of `n` different ids, and returns all results so far, in order per partition.

        A result that was written again after a kill (at-least-once) is there twice. Raises NotInTimeError, and
        ConsumerError if the consumer ends by itself.
        """
        self._await(self._results, n, timeout_s, "results", lambda: len({one.id for one in self._read_results()}))
        return self._read_results()

    def letters(self, n: int = 0, timeout_s: float = TIMEOUT_S) -> list[Letter]:
        """Waits for `n` dead letters, and returns all so far, in order per partition; raises as `results` does."""
        self._await(self._letters, n, timeout_s, "dead letters", lambda: len(self._letters.messages))
        return [Letter.of(message) for message in self._letters.messages]

    def close(self) -> None:
        """Ends the consumer, whatever its state; the topics end with the broker, unless somebody named it."""
        for process in self._started:
            process.close()
        self._results.close()
        self._letters.close()
        self._make_topic.close()

    def _read_results(self) -> list[Result]:
        return [Result.of(one) for one in self._results.messages if one.value() is not None]

    def _await(self, reader: TopicReader, n: int, timeout_s: float, what: str, count: Callable[[], int]) -> None:
        deadline = time.monotonic() + timeout_s
        reader.read_to_end(timeout_s)
        while (found := count()) < n:
            state = self._require_alive()
            if time.monotonic() > deadline:
                raise NotInTimeError(f"{found} of {n} {what} after {timeout_s:.0f} s; {state}")
            reader.poll()

    def _require_alive(self) -> str:
        """Says what the consumer does; raises ConsumerError if it ended by itself."""
        if not self._started or (self._ended_by_test and not self.is_running):
            return "no consumer runs: call start() or restart()"
        if (code := self._started[-1].exit_code) is not None:
            raise ConsumerError(
                f"the consumer ended with exit code {code}; its last lines:\n{self._started[-1].tail}"
            )
        return f"the consumer runs; its last lines:\n{self._started[-1].tail}"

    def _defaults(self, broker: Broker, model: Path, settings: Mapping[str, str]) -> dict[str, str]:
        # In the protocol `consumer` the broker decides on membership, and the consumer refuses these keys.
        properties = {} if settings.get("group_protocol") == "consumer" else dict(MEMBERSHIP)
        if broker.is_mock:
            properties["fetch.wait.max.ms"] = FETCH_WAIT_MS
        return {
            "kafka.bootstrap_servers": broker.bootstrap_servers,
            "kafka.insecure": "true",  # a container may not be on this machine
            "kafka.properties": json.dumps(properties),
            "group_id": self.group_id,
            "input_topics": self.texts_topic,
            "output_topic": self.results_topic,
            "dlq_topic": self.letters_topic,
            "model": str(model),
            "delivery": "at-least-once" if broker.is_mock else "exactly-once",
            "device": "cpu",
            "log_format": "json",
        }


def _variables(settings: Mapping[str, str]) -> dict[str, str]:
    return {f"SENTIMENT_{name.upper().replace('.', '__')}": value for name, value in settings.items()}


def _input(text: str | bytes | None) -> tuple[str | None, bytes | None]:
    if not isinstance(text, str):
        return None, text
    identity = uuid4().hex
    return identity, json.dumps({"id": identity, "text": text}).encode()
