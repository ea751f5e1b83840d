"""The input topics of a chaos run and every message in them: where it was sent, and its expected outcome.

Messages of the main topic have the numbers from 0. Every other partition that ever existed is a lane with
numbers and a key of its own, also that of a topic that was deleted and created again. The messages of a deleted
topic must have been scored only as far as the group had committed by then.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from tests.chaos.verdict import oracle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from tests.chaos.verdict.oracle import Oracle

Place = tuple[str, int]
"""Topic and partition."""

PARTITIONS: Final = 6
REPLICAS: Final = 3
SEND_S: Final = 120.0
ASK_S: Final = 60.0
RETRY_S: Final = 0.3
BOMB_BYTES: Final = 250 * 2**20
"""The size of an unpacked decompression bomb; it takes a quarter of a megabyte on the wire."""

_DONE_BEFORE: Final = frozenset(
    {KafkaError.TOPIC_ALREADY_EXISTS, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.INVALID_PARTITIONS}
)
"""Error codes of a retry of a request that had succeeded although its answer was lost."""


@dataclass(slots=True)
class Lane:
    """One partition of a side topic from its creation to its end."""

    number: int
    place: Place
    sent: int = 0

    @property
    def numbers(self) -> range:
        """The numbers of its messages so far."""
        first = self.number * oracle.LANE
        return range(first, first + self.sent)


@dataclass(slots=True)
class Expected:
    """What an independent reader may find of the messages."""

    must: set[int] = field(default_factory=set)
    """Each of these needs its result or its letter."""
    may: set[int] = field(default_factory=set)
    """Deleted with a topic, or skipped by an operator: each has one result or letter, or none."""
    again: set[int] = field(default_factory=set)
    """Read again from their topic's start on an operator's command, so they may appear more than once."""
    passed: set[int] = field(default_factory=set)
    """Those of `must` whose offsets the group has committed, so that nobody reads them again."""


class Inputs:
    """Topics, and a producer that bypasses the proxy. `feed` and `ends` may be called from any thread."""

    def __init__(self, servers: str, run: str, truth: Oracle) -> None:
        self.main, self._side = f"texts-{run}", f"side-{run}"
        self.pattern = f"^{self._side}-.*"
        self.sent = 0
        """Messages of the main topic."""
        self.lanes: dict[Place, Lane] = {}
        """Of the side topics that exist."""
        self.lock = threading.RLock()
        """Held while messages of the main topic are sent."""
        self._servers = servers
        self._truth = truth
        self._ends: dict[Place, int] = {}
        self._places: dict[int, tuple[Place, int]] = {}
        self._may: set[int] = set()
        self._gone: set[int] = set()
        """Those of a deleted topic that were committed before the deletion."""
        self._again: set[int] = set()
        self._lane_numbers = itertools.count(1)
        self._topic_numbers = itertools.count()
        self._producer = self._new_producer()
        self._create(self.main, [[] for _ in range(PARTITIONS)])
        self._ends |= {(self.main, partition): 0 for partition in range(PARTITIONS)}

    @property
    def side_topics(self) -> list[str]:
        """Topics other than the main one, oldest first."""
        return list(dict.fromkeys(topic for topic, _ in self.lanes))

    def ends(self) -> dict[Place, int]:
        """Records of every partition that exists; from any thread."""
        return dict(self._ends)

    def feed(self, upto: int) -> None:
        """Sends messages of the main topic until there are `upto`; returns when they are acknowledged."""
        with self.lock:
            numbers = range(self.sent, upto)
            self._send(self._producer, ((number, (self.main, partition_of(number))) for number in numbers))
            self.sent = max(self.sent, upto)

    def feed_lane(self, lane: Lane, count: int) -> None:
        """Sends the next messages of a lane; returns when they are acknowledged.

        It uses a producer of its own, since one that knew a deleted topic of this name is slow to notice the new
        one.
        """
        before = lane.numbers.stop
        lane.sent += count
        producer = self._new_producer()
        _await_leader(producer, lane.place)
        self._send(producer, ((number, lane.place) for number in range(before, lane.numbers.stop)))

    def send_culprit(self, partition: int) -> None:
        """Sends a text that ends every process that scores it, into the main topic."""
        number = oracle.CULPRITS + next(self._lane_numbers) * oracle.LANE
        with self.lock:
            self._send(self._producer, [(number, (self.main, partition))])

    def send_bomb(self, partition: int) -> int:
        """Sends a record that is small on the wire and huge in memory; returns its offset in the main topic.

        It must lead to neither a result nor a letter.
        """
        failures: list[str] = []
        large = {"message.max.bytes": 1_000_000_000, "message.timeout.ms": int(SEND_S * 1000)}
        bomber = self._new_producer(**large, **{"compression.type": "gzip"})
        number = oracle.BOMBS + next(self._lane_numbers) * oracle.LANE
        with self.lock:
            bomber.produce(
                self.main,
                value=b"a" * BOMB_BYTES,
                partition=partition,
                headers=list(oracle.headers_of(number)),
                on_delivery=lambda error, _: failures.append(str(error)) if error else None,
            )
            assert bomber.flush(SEND_S) == 0, "the bomb could not be sent"
            assert not failures, failures
            self._ends[self.main, partition] += 1
            return self._ends[self.main, partition] - 1

    def add_topic(self, partitions: int = 1, leader: int | None = None) -> list[Lane]:
        """Creates a topic that matches the pattern, led by a node if one is given; returns its lanes."""
        topic = f"{self._side}-{next(self._topic_numbers)}"
        nodes = [] if leader is None else [leader, *(node for node in range(REPLICAS) if node != leader)]
        self._create(topic, [nodes] * partitions)
        return [self._lane((topic, partition)) for partition in range(partitions)]

    def add_partition(self, topic: str) -> Lane:
        """Adds one partition to a side topic."""
        count = sum(name == topic for name, _ in self.lanes) + 1
        self._ask(lambda admin: admin.create_partitions([NewPartitions(topic, count)]))
        return self._lane((topic, count - 1))

    def delete_topic(self, topic: str, committed: Callable[[Sequence[Place]], Mapping[Place, int]]) -> None:
        """Deletes a side topic; messages that are not `committed` by then are deleted too."""
        lanes = [lane for lane in self.lanes.values() if lane.place[0] == topic]
        done = committed([lane.place for lane in lanes])
        self._ask(lambda admin: admin.delete_topics([topic]))
        for lane in lanes:
            for number in lane.numbers:
                offset = self._places.pop(number)[1]
                (self._gone if offset < done[lane.place] else self._may).add(number)
            del self.lanes[lane.place], self._ends[lane.place]

    def create_again(self, topic: str, partitions: int) -> list[Lane]:
        """Creates a topic with the name of a deleted one; returns its new lanes."""
        self._create(topic, [[] for _ in range(partitions)])
        return [self._lane((topic, partition)) for partition in range(partitions)]

    def read_again(self, topic: str) -> None:
        """Records that an operator has moved the group to the start of a topic."""
        for lane in list(self.lanes.values()):
            if lane.place[0] == topic:
                self._again.update(lane.numbers)

    def expected(self, committed: Mapping[Place, int]) -> Expected:
        """The expected outcome, given what the group has committed at the end."""
        passed = {number for number, (place, offset) in self._places.items() if offset < committed.get(place, 0)}
        return Expected(self._places.keys() | self._gone, self._may, self._again, passed | self._gone)

    def _lane(self, place: Place) -> Lane:
        self.lanes[place] = lane = Lane(next(self._lane_numbers), place)
        self._ends[place] = 0
        return lane

    def _new_producer(self, **properties: Any) -> Producer:
        ours: dict[str, Any] = {"bootstrap.servers": self._servers, "linger.ms": 5, "log_level": 2}
        return Producer({**ours, "enable.idempotence": True, **properties})

    def _send(self, producer: Producer, messages: Iterable[tuple[int, Place]]) -> None:
        failures: list[str] = []
        for number, place in messages:
            producer.produce(
                place[0],
                value=self._truth.value_of(number),
                key=oracle.key_of(number),
                partition=place[1],
                headers=list(oracle.headers_of(number)),
                on_delivery=lambda error, _: failures.append(str(error)) if error else None,
            )
            producer.poll(0)
            self._places[number] = (place, self._ends[place])
            self._ends[place] += 1
        assert producer.flush(SEND_S) == 0, "the input could not be written"
        assert not failures, failures[:3]

    def _create(self, topic: str, replicas: list[list[int]]) -> None:
        if any(replicas):
            request = NewTopic(topic, len(replicas), replica_assignment=replicas)
        else:
            request = NewTopic(topic, len(replicas), REPLICAS)
        self._ask(lambda admin: admin.create_topics([request]))

    def _ask(self, question: Callable[[AdminClient], dict[Any, Future[Any]]]) -> None:
        """Retries a change of topics, since it may be refused while brokers are away."""
        deadline = time.monotonic() + ASK_S
        for attempt in itertools.count():
            try:
                with AdminClient({"bootstrap.servers": self._servers, "log_level": 0}) as admin:
                    for future in question(admin).values():
                        future.result()
            except KafkaException as error:
                if attempt and error.args[0].code() in _DONE_BEFORE:
                    return
                if time.monotonic() > deadline:
                    raise TimeoutError(f"topics could not be changed: {error}") from None
                time.sleep(RETRY_S)
            else:
                return


def partition_of(number: int) -> int:
    """The partition of a message of the main topic."""
    return number % oracle.KEYS % PARTITIONS


def _await_leader(producer: Producer, place: Place) -> None:
    """Returns once the producer knows the leader of a partition that may be new."""
    deadline = time.monotonic() + ASK_S
    while time.monotonic() < deadline:
        with contextlib.suppress(KafkaException):  # brokers may be away
            partitions = producer.list_topics(place[0], timeout=RETRY_S * 10).topics[place[0]].partitions
            if place[1] in partitions and partitions[place[1]].leader >= 0:
                return
        time.sleep(RETRY_S / 3)
    raise TimeoutError(f"no leader of {place} within {ASK_S:.0f} s")
