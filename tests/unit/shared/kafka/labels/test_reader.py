"""The latest label of each key, and records of the topic that are no labels; needs no broker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import KafkaStateError
from shared.kafka.labels import reader as module
from shared.kafka.labels.reader import Change, LabelReader, latest
from shared.kafka.labels.topic import refuse_other_layout
from shared.kafka.settings import KafkaSettings
from shared.messages import LabelKey
from tests.support.labels import FEW_KEYS, KEY, label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shared.kafka.reader import Partition


class FakeTopicReader:
    """A topic with the given records and settings."""

    def __init__(self, records: list[tuple[bytes | None, bytes | None]]) -> None:
        self.records = records
        self.partitions = 1
        self.config: dict[str, str] = {"cleanup.policy": "compact"}
        self.closed = False

    def __call__(self, *_: object) -> FakeTopicReader:
        """In place of the class."""
        return self

    def partitions_of(self, topics: list[str]) -> dict[str, int]:
        """The one topic."""
        return dict.fromkeys(topics, self.partitions)

    def config_of(self, _topic: str) -> dict[str, str]:
        """Its configuration."""
        return self.config

    def spans(self, partitions: list[Partition]) -> dict[Partition, range]:
        """Its end now."""
        return dict.fromkeys(partitions, range(len(self.records)))

    def messages(self, spans: Mapping[Partition, range]) -> Iterator[Any]:
        """The records up to the end that was asked for."""
        (span,) = spans.values()
        for offset in span:
            key, value = self.records[offset]
            yield SimpleNamespace(
                key=lambda key=key: key, value=lambda value=value: value, offset=lambda offset=offset: offset
            )

    def close(self) -> None:
        """Closes."""
        self.closed = True


def read(fake: FakeTopicReader) -> LabelReader:
    """A reader of the fake."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TopicReader", fake)
        return LabelReader(KafkaSettings(), "labels")


CHANGES = st.lists(
    st.tuples(FEW_KEYS, st.none() | st.sampled_from(["positive", "negative", "unsure"])), max_size=60
)


@given(changes=CHANGES)
def test_the_latest_label_is_that_of_a_plain_replay(changes: list[tuple[LabelKey, str | None]]) -> None:
    """Through bytes: a later label replaces, a tombstone takes back, also what is not there."""
    fake = FakeTopicReader(
        [(key.encode(), label(key, verdict).encode() if verdict else None) for key, verdict in changes]
    )
    expected = {key: verdict for key, verdict in dict(changes).items() if verdict is not None}

    labels = read(fake)
    assert {key: one.verdict for key, one in latest(labels.changes()).items()} == expected
    assert labels.unreadable == 0


def test_what_is_no_label_is_counted_and_takes_the_label_of_its_key_back() -> None:
    """What it was before is not what its annotator says now; a key that cannot be read concerns nobody."""
    other = LabelKey("texts", 0, 8, "ann")
    fake = FakeTopicReader(
        [
            (KEY.encode(), label(KEY).encode()),
            (other.encode(), label(other).encode()),
            (None, label(KEY).encode()),
            (b"no key", b"x"),
            (KEY.encode(), b'{"schema_version": 2}'),
            (other.encode(), label(KEY).encode()),
            (other.encode(), label(other, "negative").encode()),
        ]
    )
    labels = read(fake)
    assert latest(labels.changes()) == {other: label(other, "negative")}
    assert labels.unreadable == 4


def test_records_that_come_while_it_reads_are_left_for_the_next_time() -> None:
    """The end is fixed when reading begins, so it ends while annotators continue."""
    fake = FakeTopicReader([(KEY.encode(), label(KEY).encode())])
    labels = read(fake)
    changes = labels.changes()
    assert next(changes) == Change(KEY, label(KEY))
    fake.records.append((KEY.encode(), None))
    assert list(changes) == []
    assert latest(labels.changes()) == {}


@pytest.mark.parametrize(
    ("partitions", "config", "reason"),
    [(3, {}, "3 partitions"), (1, {"cleanup.policy": "delete"}, "cleanup.policy=compact, or choose")],
)
def test_a_topic_that_loses_labels_is_refused(partitions: int, config: dict[str, str], reason: str) -> None:
    """And the client is closed; a policy that the reader may not know is none of its concern."""
    fake = FakeTopicReader([])
    fake.partitions, fake.config = partitions, config
    with pytest.raises(KafkaStateError, match=reason):
        read(fake)
    assert fake.closed
    fake.partitions, fake.config = 1, {}
    read(fake)


@pytest.mark.parametrize("policy", ["delete", "compact,delete", "delete,compact", ""])
def test_only_compaction_alone_keeps_labels(policy: str) -> None:
    """With `delete` in it, labels vanish with age."""
    refuse_other_layout("labels", 1, "compact")
    with pytest.raises(KafkaStateError, match=f"cleanup.policy={policy}, so Kafka would delete labels by age"):
        refuse_other_layout("labels", 1, policy)
