"""The independent reader: checks the contents of the topics after a chaos run against the invariants.

It shares no code with the consumer: plain confluent-kafka, JSON and `oracle`.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from tests.chaos.verdict import oracle

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from tests.chaos.verdict.inputs import Expected, Place
    from tests.chaos.verdict.oracle import Oracle

TIMEOUT_S: Final = 60.0
SHOWN: Final = 5
"""At most this number of examples of a violation goes into the report."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record as a reader finds it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @property
    def number(self) -> int:
        """The number of the message that it comes from."""
        return int(dict(self.headers)[oracle.NUMBER_HEADER] or b"-1")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One invariant: whether it holds, and the figures or examples behind that."""

    name: str
    holds: bool
    detail: str


def read(servers: str, topic: str, *, committed: bool) -> list[Row]:
    """Reads a topic from its beginning to its current end, in order per partition."""
    rows: list[Row] = []
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": f"independent-{uuid4()}",
            "enable.auto.commit": False,
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "enable.partition.eof": True,
            "queued.max.messages.kbytes": 65_536,
        }
    )
    try:
        waiting = set(consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in waiting])
        while waiting:
            for message in consumer.consume(10_000, 0.5):
                partition, offset = message.partition() or 0, message.offset() or 0
                if message.error() is not None:
                    waiting.discard(partition)
                    continue
                headers: Any = message.headers() or ()
                rows.append(Row(partition, offset, message.key(), message.value(), tuple(headers)))
    finally:
        consumer.close()
    return rows


def everything_once(
    results: list[Row], letters: list[Row], expected: Expected, truth: Oracle, *, exactly: bool
) -> Verdict:
    """1: every input has its one result or its one letter; at least once, at least one.

    Missing ones whose offsets the group has passed are lost, others were left undone. Messages that were deleted
    with a topic have one or none; messages that an operator had read again have at least one.
    """
    found: Counter[int] = Counter(row.number for row in results)
    dead: Counter[int] = Counter(row.number for row in letters)
    every = found + dead
    missing = sorted(n for n in expected.must if not every[n])
    lost = [n for n in missing if n in expected.passed]
    known = expected.must | expected.may
    misplaced = [n for n in known if (dead if truth.letter_of(n) is None else found)[n]]
    twice = [n for n in known - expected.again if every[n] > 1]
    foreign = [n for n in every if n not in known]
    shown = _some(twice if exactly else ())
    gone = f", {len(expected.may)} gone with their topics" if expected.may else ""
    gone += f", {len(expected.again)} read again by an operator's command" if expected.again else ""
    detail = (
        f"{len(expected.must)} sent, {len(lost)} lost{_some(lost)}, {len(missing) - len(lost)} left undone"
        f"{_some(n for n in missing if n not in expected.passed)}, "
        f"{len(twice)} more than once{shown}, {len(misplaced)} in the wrong topic{_some(misplaced)}, "
        f"{len(foreign)} that nobody sent{_some(foreign)}{gone}"
    )
    return Verdict(
        "everything once", not missing and not misplaced and not foreign and not (exactly and twice), detail
    )


def faults_bit(all_rows: int, committed_rows: int, repeated: int, *, exactly: bool) -> Verdict:
    """2: something was aborted, or repeated: otherwise the faults had no effect."""
    aborted = all_rows - committed_rows
    if exactly:
        return Verdict("faults bit", aborted > 0, f"{aborted} records written and taken back")
    return Verdict("faults bit", repeated > 0, f"{repeated} records repeated")


def order_kept(rows: Iterable[Row], again: Container[int] = ()) -> Verdict:
    """3: first appearances of a key's messages follow the order in which they were sent, in one partition.

    `again` are those that an operator had read again: they may come after later ones.
    """
    last: dict[bytes | None, int] = {}
    places: defaultdict[bytes | None, set[int]] = defaultdict(set)
    seen: set[int] = set()
    broken: list[int] = []
    for row in rows:
        places[row.key].add(row.partition)
        if row.number in seen or row.number in again:
            continue
        seen.add(row.number)
        if row.number < last.get(row.key, -1):
            broken.append(row.number)
        last[row.key] = max(last.get(row.key, -1), row.number)
    scattered = [key for key, partitions in places.items() if len(partitions) > 1]
    detail = f"{len(last)} keys, {len(broken)} out of order{_some(broken)}, {len(scattered)} in several partitions"
    return Verdict("order per key", not broken and not scattered, detail)


def committed_offsets(servers: str, group: str, topics: Iterable[str]) -> dict[Place, tuple[int, int]]:
    """By partition of the topics: the group's commit, and the end."""
    client = Consumer({"bootstrap.servers": servers, "group.id": group, "enable.auto.commit": False})
    try:
        known = client.list_topics(timeout=TIMEOUT_S).topics
        wanted = [TopicPartition(topic, number) for topic in topics for number in known[topic].partitions]
        places = client.committed(wanted, timeout=TIMEOUT_S)
        return {
            (place.topic, place.partition): (
                place.offset,
                client.get_watermark_offsets(place, timeout=TIMEOUT_S)[1],
            )
            for place in places
        }
    finally:
        client.close()


def offsets_final(servers: str, offsets: Mapping[Place, tuple[int, int]], outputs: Mapping[str, int]) -> Verdict:
    """4: committed offsets equal the inputs' ends, and no transaction is open (LSO = high watermark).

    `outputs` are the topics that the consumer writes to, with their partitions. A partition without a record
    needs no commit.
    """
    behind = [f"{topic}-{n}: {at} of {end}" for (topic, n), (at, end) in offsets.items() if max(at, 0) != end]
    opened: list[str] = []
    for output, count in outputs.items():
        places = [TopicPartition(output, number) for number in range(count)]
        stable = _ends(servers, places, IsolationLevel.READ_COMMITTED)
        high = _ends(servers, places, IsolationLevel.READ_UNCOMMITTED)
        opened += [f"{output}-{number}" for number in stable if stable[number] != high[number]]
    detail = (
        f"{len(offsets)} partitions, {len(behind)} not at their end{_some(behind)}, "
        f"{len(opened)} with an open transaction{_some(opened)}"
    )
    return Verdict("offsets final", not behind and not opened, detail)


def letters_intact(letters: list[Row], truth: Oracle) -> Verdict:
    """5: a letter's key, value and headers are the input's byte for byte, and its reason is right."""
    wrong: list[int] = []
    for row in letters:
        number = row.number
        sent = tuple(oracle.headers_of(number))
        headers = dict(row.headers[len(sent) :])
        intact = (row.key, row.value, row.headers[: len(sent)]) == (
            oracle.key_of(number),
            truth.value_of(number),
            sent,
        )
        error = (headers.get("__connect.errors.exception.class.name") or b"").decode()
        if not intact or error != truth.letter_of(number):
            wrong.append(number)
    return Verdict("letters intact", not wrong, f"{len(letters)} letters, {len(wrong)} wrong{_some(wrong)}")


def answers_right(results: list[Row], versions: Iterable[str], truth: Oracle) -> Verdict:
    """6: every result is the oracle's answer for the model version it names, with its input's key and headers."""
    wrong: list[int] = []
    used: Counter[str] = Counter()
    known = set(versions)
    for row in results:
        number = row.number
        value = json.loads(row.value or b"")
        version = value["model"]["version"]
        used[version] += 1
        probabilities: dict[str, float] = value["probabilities"]
        expected = dict(zip(oracle.LABELS, truth.probabilities(version, truth.text_of(number)), strict=True))
        sent = tuple(oracle.headers_of(number))
        if not (
            version in known
            and value["id"] == str(number)
            and probabilities.keys() == expected.keys()
            and all(abs(probabilities[label] - expected[label]) <= truth.tolerance for label in expected)
            and value["label"] == truth.label(version, truth.text_of(number))
            and row.key == oracle.key_of(number)
            and row.headers[: len(sent)] == sent
        ):
            wrong.append(number)
    return Verdict(
        "answers right",
        not wrong,
        f"{len(results)} results of {len(used)} model versions, {len(wrong)} wrong{_some(wrong)}",
    )


def faults_answered(complaints: Sequence[str]) -> Verdict:
    """10: every immediate reaction to a fault happened, such as a stop in time or a specific exit code."""
    detail = f"{len(complaints)} that were not answered as they must be{_some(complaints)}"
    return Verdict("faults answered", not complaints, detail)


def logs_clean(logs: Mapping[str, bytes]) -> Verdict:
    """9: no text of the stream and no planted secret in any log."""
    planted = (oracle.MARKER.encode(), oracle.SECRET.encode())
    dirty = [name for name, log in logs.items() if any(word in log for word in planted)]
    size = sum(map(len, logs.values()))
    return Verdict(
        "logs clean", not dirty and size > 0, f"{size} bytes of logs, {len(dirty)} with a text or a secret"
    )


def _ends(servers: str, places: list[TopicPartition], level: IsolationLevel) -> dict[int, int]:
    with AdminClient({"bootstrap.servers": servers}) as admin:
        futures = admin.list_offsets(
            {place: OffsetSpec.latest() for place in places},  # type: ignore[no-untyped-call]
            isolation_level=level,
            request_timeout=TIMEOUT_S,
        )
        return {place.partition: future.result().offset for place, future in futures.items()}


def _some(examples: Iterable[object]) -> str:
    shown = [str(one) for _, one in zip(range(SHOWN), iter(examples), strict=False)]
    return f" ({', '.join(shown)} ...)" if shown else ""
