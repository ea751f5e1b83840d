"""Reads a labels topic from its first record to the end that it has at the start, without a group."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import structlog

from shared.kafka.labels.topic import PARTITION, refuse_other_layout
from shared.kafka.reader import Partition, TopicReader
from shared.messages.labels import BadLabel, Label, LabelKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shared.kafka.settings import KafkaSettings

log = structlog.get_logger()


class Change(NamedTuple):
    """One record of the topic: from here on, this is the label of the key; None means that it has none."""

    key: LabelKey
    label: Label | None


class LabelReader:
    """A client without a group; used by one thread and closed after use."""

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        """Raises an explained error if the topic does not exist or has a layout that loses labels."""
        self._topic = topic
        self.unreadable = 0
        """Records so far that are no labels: they take the label of their key back if that can be read."""
        self._reader = TopicReader(kafka, "sentiment-labels")
        try:
            partitions = self._reader.partitions_of([topic])[topic]
            # To ask for the policy takes a right that a reader may lack; whoever writes has to have it.
            refuse_other_layout(topic, partitions, self._reader.config_of(topic).get("cleanup.policy"))
        except BaseException:
            self._reader.close()
            raise

    def __enter__(self) -> Self:
        """Returns the reader."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the client."""
        self._reader.close()

    def changes(self) -> Iterator[Change]:
        """All changes in order, up to the end that the topic has now; the last one of a key counts.

        Nothing is kept, so memory does not grow with the topic. Raises an explained error.
        """
        first = self.unreadable
        for message in self._reader.messages(self._reader.spans([Partition(self._topic, PARTITION)])):
            try:
                key = LabelKey.decode(_bytes(message.key()))
            except BadLabel as reason:
                self._pass_over(message.offset(), reason)
                continue
            value = _bytes(message.value())
            try:
                label = None if value is None else Label.decode(key, value)
            except BadLabel as reason:
                # What the label was before is not what its annotator says now.
                self._pass_over(message.offset(), reason)
                label = None
            yield Change(key, label)
        if self.unreadable > first:
            log.warning("labels_unreadable", topic=self._topic, records=self.unreadable - first)

    def _pass_over(self, offset: int | None, reason: BadLabel) -> None:
        self.unreadable += 1
        log.debug("label_unreadable", topic=self._topic, offset=offset, reason=str(reason))


def latest(changes: Iterable[Change]) -> dict[LabelKey, Label]:
    """The label of each key after all changes; takes about 2 kB of memory for each."""
    found: dict[LabelKey, Label] = {}
    for key, label in changes:
        if label is None:
            found.pop(key, None)
        else:
            found[key] = label
    return found


def _bytes(content: str | bytes | None) -> bytes | None:
    """Converts to bytes: the client's types allow str, although a plain consumer never returns it."""
    return content.encode() if isinstance(content, str) else content
