"""Reads the dead-letter topic from end to end: letters, receipts, and single records.

Where a receipt must not be missed, reading waits for transactions that are still open.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Self

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from consumer.dlq.letters import Index, build_index
from shared.dlq.letters import Letter, Place, Receipt, read_entry
from shared.errors import KafkaStateError
from shared.kafka.message import headers_of
from shared.kafka.reader import Partition, TopicReader

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from consumer.settings import ConsumerSettings
    from shared.dlq.letters import Envelope


class DeadLetterTopic:
    """The topic and its reader; used by one thread, and closed after use."""

    def __init__(self, settings: ConsumerSettings) -> None:
        self.name = settings.dlq_topic
        self._reader = TopicReader(settings.kafka, "sentiment-dlq")
        self._entries: list[Envelope | Receipt | None] = []
        self._read_to: dict[Partition, int] = {}
        """Offset after the last entry."""

    def __enter__(self) -> Self:
        """Makes sure that the topic exists; raises an explained error."""
        try:
            count = self.partitions_of([self.name])[self.name]
        except BaseException:  # `__exit__` is not called when `__enter__` raises
            self._reader.close()
            raise
        self._partitions = [Partition(self.name, number) for number in range(count)]
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the client."""
        self._reader.close()

    def partitions_of(self, topics: Iterable[str]) -> dict[str, int]:
        """Counts the partitions of any topics; raises KafkaStateError for one that does not exist."""
        return self._reader.partitions_of(topics)

    def config_of(self, topic: str) -> dict[str, str]:
        """The settings of any topic; none where the broker does not give them."""
        return self._reader.config_of(topic)

    def index(self, *, complete: bool = False) -> Index:
        """Reads the whole topic without keeping contents, up to the first open transaction.

        A further call reads only what has come since. With `complete` it waits for open transactions to end, so
        that every receipt that was written before the call is seen. Raises an explained error, also when one
        stays open for SILENT_S.
        """
        found = self._reader.spans(self._partitions, undecided=complete)
        spans = {one: range(max(span.start, self._read_to.get(one, 0)), span.stop) for one, span in found.items()}
        entries = map(_entry, self._reader.messages(spans))
        self._entries += [entry.envelope if isinstance(entry, Letter) else entry for entry in entries]
        self._read_to |= {one: span.stop for one, span in spans.items() if span}
        return build_index(self._entries)

    def letters(self, places: Collection[Place]) -> Iterator[Letter]:
        """Reads these letters with their contents, in order within each partition; what is gone is left out."""
        offsets: defaultdict[int, set[int]] = defaultdict(set)
        for place in places:
            offsets[place.partition].add(place.offset)
        spans = {Partition(self.name, number): range(min(some), max(some) + 1) for number, some in offsets.items()}
        for message in self._reader.messages(spans):
            place = _place(message)
            if place.offset in offsets[place.partition] and isinstance(entry := _entry(message), Letter):
                yield entry

    def letter(self, place: Place) -> Letter:
        """Reads one letter; raises KafkaStateError that says what is there instead."""
        partition = Partition(self.name, place.partition)
        if partition not in self._partitions:
            raise KafkaStateError(f"{self.name} has no partition {place.partition}")
        end = self._reader.spans([partition])[partition].stop
        # Beyond the end the reader would wait SILENT_S for a record.
        span = range(place.offset, min(place.offset + 1, end))
        found = [message for message in self._reader.messages({partition: span}) if _place(message) == place]
        entry = _entry(found[0]) if found else None
        if isinstance(entry, Letter):
            return entry
        there = "no letter of this service"
        if isinstance(entry, Receipt):
            there = f"the receipt for the letter {entry.letter}, replayed to {entry.topic}"
        elif not found:
            there = "nothing, or nothing any more"
        raise KafkaStateError(f"{place} of {self.name} holds {there}; see sentiment-consumer dlq list")


def _entry(message: Message) -> Letter | Receipt | None:
    kind, written_ms = message.timestamp()
    return read_entry(
        _place(message),
        0 if kind == TIMESTAMP_NOT_AVAILABLE else written_ms,
        message.key(),
        message.value(),
        headers_of(message) or (),
    )


def _place(message: Message) -> Place:
    partition, offset = message.partition(), message.offset()
    return Place(-1 if partition is None else partition, -1 if offset is None else offset)
