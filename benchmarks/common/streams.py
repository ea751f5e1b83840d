"""Measures a program that carries messages from topic to topic, from outside: by its topics and its process.

The messages wait in the input topic inside an open transaction, which hides them from `read_committed` readers.
In the meantime the program starts, loads its model and answers some earlier messages, to be warm. Committing the
transaction releases all at once: that starts the clock. It stops with the broker's own time of the last result.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupState,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec
from confluent_kafka.cimpl import NewTopic

from benchmarks.common.measure import WORK
from benchmarks.common.processes import ALL, cpu_s, resident_mib

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Protocol

    class Contender(Protocol):
        """A program to be measured."""

        def __call__(self, job: Job, member: int, /) -> Command:
            """Its command, for the nth member of its group."""
            ...


PARTITIONS: Final = 4
KEYS: Final = 8
WARM_UP: Final = 256
START_S: Final = 180.0
RUN_S: Final = 1_800.0
STOP_S: Final = 15.0
POLL_S: Final = 0.1
HEADERS: Final[list[tuple[str, str | bytes | None]]] = [
    ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
]


@dataclass(frozen=True)
class Job:
    """Where a program reads and writes."""

    servers: str
    source: str
    target: str
    letters: str
    group: str


@dataclass(frozen=True)
class Command:
    """How a program is started."""

    arguments: Sequence[str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Run:
    """The measurements of one run."""

    messages: int
    seconds: float
    """From the moment the messages could be read to the broker's time of the last result."""
    cpu_s: dict[str, float]
    """CPU time of all members during that time, in total and by kind of thread."""
    memory: list[tuple[int, float]] = field(repr=False)
    """Results written so far and resident MiB of the first member, ten times a second."""

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    @property
    def cpu_us(self) -> float:
        """CPU time per message."""
        return self.cpu_s[ALL] / self.messages * 1e6


def run(
    servers: str,
    contender: Contender,
    texts: Sequence[str],
    *,
    partitions: int = PARTITIONS,
    members: int = 1,
    warm_up: int = WARM_UP,
) -> Run:
    """Measures how fast `contender` processes the texts after the first `warm_up`, which are not counted.

    Raises an error if it ends, stalls, or does not answer each message exactly once.
    """
    warm, measured = texts[:warm_up], texts[warm_up:]
    with contextlib.ExitStack() as stack:
        job = stack.enter_context(fresh_topics(servers, partitions))
        processes = stack.enter_context(started(contender, job, members, partitions))
        producer = Producer(
            {
                **quiet(servers),
                "queue.buffering.max.messages": 2_000_000,
                "queue.buffering.max.kbytes": 2_000_000,
                "linger.ms": 20,
                "transactional.id": str(uuid4()),
                "transaction.timeout.ms": 900_000,
            }
        )
        producer.init_transactions(30)
        reader = stack.enter_context(contextlib.closing(Reader(job, partitions)))
        producer.begin_transaction()
        produce(producer, job.source, warm, partitions)
        producer.commit_transaction(30)
        reader.await_results(len(warm), processes, START_S)
        producer.begin_transaction()
        produce(producer, job.source, measured, partitions, len(warm))
        time.sleep(1)  # the work that the fill left is done
        before = [cpu_s(process.pid) for process in processes]
        began = time.time()
        producer.commit_transaction(30)
        memory = reader.await_results(len(texts), processes, RUN_S)
        after = [cpu_s(process.pid) for process in processes]
        reader.check(len(texts))
    return Run(
        messages=len(measured),
        seconds=reader.last_ms / 1000 - began,
        cpu_s={kind: sum(cpu[kind] for cpu in after) - sum(cpu[kind] for cpu in before) for kind in before[0]},
        memory=[(max(written - len(warm), 0), resident) for written, resident in memory],
    )


class Reader:
    """A subscriber of the results, read_committed, which reads only once all might be there."""

    def __init__(self, job: Job, partitions: int) -> None:
        self._admin = AdminClient(quiet(job.servers))
        self._consumer = Consumer(
            {
                **quiet(job.servers),
                "group.id": f"reader-{uuid4()}",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )
        self._partitions = [TopicPartition(job.target, number, OFFSET_BEGINNING) for number in range(partitions)]
        self._consumer.assign(self._partitions)
        self._ids: list[str] = []
        self.last_ms = 0
        """The broker's time of the last result."""

    def await_results(
        self, count: int, processes: Sequence[subprocess.Popen[bytes]], timeout_s: float
    ) -> list[tuple[int, float]]:
        """Waits for `count` results in total; returns how many were written, and the memory in use, over time."""
        deadline = time.monotonic() + timeout_s
        seen = []
        while len(self._ids) < count:
            written = self._written()
            seen.append((written, resident_mib(processes[0].pid)))
            if written >= count:
                self._read()
            if any(process.poll() is not None for process in processes):
                raise ChildProcessError(f"the program ended; its log is in {WORK / 'logs'}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{written} results of {count}; the program's log is in {WORK / 'logs'}")
            time.sleep(POLL_S)
        return seen

    def check(self, count: int) -> None:
        """Raises an error unless there is one result for each message."""
        self._read()
        if len(self._ids) != count or len(set(self._ids)) != count:
            raise AssertionError(f"{len(self._ids)} results, {len(set(self._ids))} ids, of {count} messages")

    def close(self) -> None:
        """Stops it before its topic is deleted."""
        self._consumer.close()

    def _written(self) -> int:
        """Offsets at the ends of the partitions; a few more than there are results, for transactions count."""
        latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = dict.fromkeys(self._partitions, latest)
        return sum(future.result().offset for future in self._admin.list_offsets(asked).values())

    def _read(self) -> None:
        while messages := self._consumer.consume(10_000, 0.3):
            for message in messages:
                if (error := message.error()) is not None:
                    raise KafkaException(error)
                self._ids.append(str(json.loads(message.value() or b"")["id"]))
                self.last_ms = max(self.last_ms, message.timestamp()[1])


@contextlib.contextmanager
def fresh_topics(servers: str, partitions: int = PARTITIONS) -> Iterator[Job]:
    """Fresh topics, stamped by the broker, and deleted afterwards."""
    name = uuid4().hex[:8]
    job = Job(servers, f"texts-{name}", f"sentiments-{name}", f"letters-{name}", f"group-{name}")
    admin = AdminClient(quiet(servers))
    stamped = {"message.timestamp.type": "LogAppendTime"}
    wanted = [NewTopic(topic, partitions, 1, config=stamped) for topic in (job.source, job.target, job.letters)]
    for future in admin.create_topics(wanted).values():
        future.result()
    try:
        yield job
    finally:
        made = [topic for topic in admin.list_topics(timeout=10).topics if name in topic]  # also a peer's
        for future in admin.delete_topics(made).values():
            future.result()


@contextlib.contextmanager
def started(
    contender: Contender, job: Job, members: int, partitions: int
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The members as processes, once the group has given each its partitions."""
    logs = WORK / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for member in range(members):
            command = contender(job, member)
            with (logs / f"{job.group}-{member}.log").open("wb") as log:
                processes.append(
                    subprocess.Popen(command.arguments, env=command.environment, stdout=log, stderr=log)
                )
        _await_group(job, processes, partitions)
        yield processes
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_group(job: Job, processes: Sequence[subprocess.Popen[bytes]], partitions: int) -> None:
    admin = AdminClient(quiet(job.servers))
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if any(process.poll() is not None for process in processes):
            raise ChildProcessError(f"a program ended before it read; see {WORK / 'logs' / job.group}*")
        with contextlib.suppress(KafkaException):  # the group does not exist yet
            group = admin.describe_consumer_groups([job.group])[job.group].result()
            owned = sum(
                partition.topic == job.source
                for member in group.members
                for partition in member.assignment.topic_partitions
            )
            stable = group.state == ConsumerGroupState.STABLE
            if stable and owned == partitions and len(group.members) == len(processes):
                return
        time.sleep(POLL_S)
    raise TimeoutError(f"the group did not form within {START_S:.0f} s; see {WORK / 'logs' / job.group}*")


def quiet(servers: str) -> dict[str, Any]:
    """Settings of all clients of the benchmarks themselves."""
    return {"bootstrap.servers": servers, "log_level": 3}


def produce(
    producer: Producer, topic: str, texts: Sequence[str], partitions: int = PARTITIONS, first: int = 0
) -> None:
    """Writes the texts, numbered from `first`; a key always goes to the same partition."""
    keys = max(KEYS, partitions)
    for number, text in enumerate(texts, first):
        value = json.dumps({"id": str(number), "text": text}, ensure_ascii=False).encode()
        key = number % keys
        producer.produce(topic, value=value, key=f"source-{key}", headers=HEADERS, partition=key % partitions)
        if number % 1_000 == 0:
            producer.poll(0)
    if producer.flush(RUN_S):
        raise TimeoutError("the benchmark's input could not be written")
