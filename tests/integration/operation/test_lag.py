"""The lag that is exported is Kafka's own, on a real Kafka, and true while nothing moves."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from consumer.monitoring.monitor import Monitor
from consumer.preflight.questions import Preflight
from consumer.service import consume
from consumer.settings import ConsumerSettings
from sentiment_testing.kafka.jars import find_class_path, find_java
from shared.inference.scheduler import Scheduler
from tests.integration.operation.scraping import lags, scrape
from tests.support.fakes import FakeScorer
from tests.support.processes import free_port
from tests.support.topics import Sent, produce

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sentiment_testing.kafka import Broker, MakeTopic

PARTITIONS: Final = 2
DEADLINE_S: Final = 60.0
OLD_S: Final = 300
"""Age of the first record of a backlog; each one after it is a second younger."""


class Service:
    """A consumer in this process, around a scorer that waits at a gate."""

    def __init__(self, kafka: Broker, topic: MakeTopic, *, gate: threading.Event) -> None:
        self.texts = topic("texts", partitions=PARTITIONS)
        self.servers = kafka.bootstrap_servers
        self.settings = ConsumerSettings.model_validate(
            {
                "kafka": {"bootstrap_servers": self.servers, "insecure": True},
                "group_id": f"group-{uuid4()}",
                "input_topics": [self.texts],
                "output_topic": topic("sentiments"),
                "dlq_topic": topic("letters"),
                "instance_id": uuid4().hex,
                "metrics": {"port": free_port()},
                "limits": {"batch_records": 16},
            }
        )
        self._gate = gate

    @contextmanager
    def running(self) -> Iterator[None]:
        """Runs until the block ends."""
        monitor, stop = Monitor(self.settings), threading.Event()
        preflight = Preflight(self.settings)

        def run() -> None:
            consume(
                self.settings,
                partitions=preflight.partitions(),
                scoring=Scheduler(FakeScorer(gates=[self._gate]), window=16),
                model_version="1",
                stop=stop,
                targets=preflight.targets(),
                observer=monitor.observer,
                monitor=monitor,
            )

        thread = threading.Thread(target=run, name="consumer")
        thread.start()
        try:
            yield
        finally:
            self._gate.set()
            stop.set()
            thread.join()
            monitor.close(0)

    def lag(self, metric: str) -> dict[int, float]:
        """The exported lag by partition."""
        return lags(scrape(self.settings.metrics.port or 0), metric)

    def await_lag(self, is_right: Callable[[dict[int, float]], bool]) -> dict[int, float]:
        """Waits for a lag in records."""
        deadline = time.monotonic() + DEADLINE_S
        while not is_right(found := self.lag("sentiment_lag_records")):
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
        return found

    def kafkas_lag(self) -> dict[int, float]:
        """What kafka-consumer-groups prints."""
        command = [
            find_java(),
            "-cp",
            find_class_path(),
            "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        ]
        command += ["--bootstrap-server", self.servers, "--describe", "--group", self.settings.group_id]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        rows = [line.split() for line in done.stdout.splitlines() if self.texts in line]
        return {int(row[2]): float(row[5]) for row in rows}


def aged(count: int, partition: int, oldest_s: float) -> list[Sent]:
    """Records a second apart, the first of which is `oldest_s` old."""
    now_ms = int(time.time() * 1000)
    return [
        Sent(
            json.dumps({"text": f"text {partition} {number}"}).encode(),
            partition=partition,
            timestamp_ms=now_ms - int(oldest_s * 1000) + number * 1000,
        )
        for number in range(count)
    ]


def produce_in_transactions(servers: str, topic: str, partitions: int, times: int) -> None:
    """Writes one record to each partition in each of several transactions, of which every second is aborted."""
    producer = Producer({"bootstrap.servers": servers, "transactional.id": uuid4().hex})
    producer.init_transactions(30)
    for number in range(times):
        producer.begin_transaction()
        for partition in range(partitions):
            producer.produce(topic, json.dumps({"text": f"text {number}"}).encode(), partition=partition)
        producer.flush(30)
        (producer.abort_transaction if number % 2 else producer.commit_transaction)(30)


def test_an_idle_transactional_topic_has_no_lag(kafka: Broker, topic: MakeTopic) -> None:
    """Given records in transactions, some aborted, when all are read, then both lags are 0, and Kafka's is."""
    gate = threading.Event()
    gate.set()
    service = Service(kafka, topic, gate=gate)
    produce_in_transactions(service.servers, service.texts, PARTITIONS, 4)

    with service.running():
        found = service.await_lag(lambda lag: len(lag) == PARTITIONS and not any(lag.values()))
        assert service.kafkas_lag() == found == {0: 0, 1: 0}
        assert service.lag("sentiment_lag_seconds") == {0: 0, 1: 0}


def test_a_stalled_consumer_has_the_lag_of_its_commit(kafka: Broker, topic: MakeTopic) -> None:
    """Given a scorer that stops amid a backlog, when more arrives, then both lags are true for every partition.

    In records they are what kafka-consumer-groups shows, in seconds they are right within one. Both become 0
    when it goes on.
    """
    gate = threading.Event()
    gate.set()
    service = Service(kafka, topic, gate=gate)
    produce(service.servers, service.texts, [*aged(10, 0, OLD_S), *aged(10, 1, 2 * OLD_S)])

    with service.running():
        service.await_lag(lambda lag: len(lag) == PARTITIONS and not any(lag.values()))
        gate.clear()
        # Far more of one partition than may be in hand, so that the other one waits unread.
        produce(service.servers, service.texts, aged(200, 0, OLD_S))
        service.await_lag(lambda lag: lag.get(0) == 200)
        written_s = time.time()
        produce(service.servers, service.texts, [*aged(7, 1, 2 * OLD_S), *aged(50, 0, 0)])

        found = service.await_lag(lambda lag: lag == {0: 250, 1: 7})
        assert service.kafkas_lag() == found
        for _ in range(3):
            seconds = service.lag("sentiment_lag_seconds")
            since_s = time.time() - written_s
            assert seconds[1] == pytest.approx(2 * OLD_S + since_s, abs=1)
            assert seconds[0] == pytest.approx(OLD_S + since_s, abs=1.5)
        gate.set()
        service.await_lag(lambda lag: lag == {0: 0, 1: 0})
        assert service.lag("sentiment_lag_seconds") == {0: 0, 1: 0}
