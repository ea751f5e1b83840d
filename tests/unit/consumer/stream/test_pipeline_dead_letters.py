"""Records that cannot be read, scored or written become dead letters; too many of them end the run."""

from __future__ import annotations

from typing import Literal

import pytest
from structlog.testing import capture_logs

from consumer.settings import Limits
from shared.errors import KafkaStateError, TooManyDeadLetters
from tests.support.fakes import DLQ, OUTPUT, UNSCORABLE, oracle, text_value
from tests.support.world import UNREADABLE, World, keys


def test_dead_letters_carry_what_could_not_be_read() -> None:
    """Given one unreadable record among good ones, when run, then only it is in the dead-letter topic."""
    world = World()
    world.produce(2)
    world.kafka.produce(UNREADABLE, key=b"bad", headers=(("trace", b"1"),))
    world.produce(1, partition=1)

    totals = world.run()

    (letter,) = world.kafka.partitions(DLQ)[0]
    assert (letter.key, letter.value, letter.headers[0]) == (b"bad", UNREADABLE, ("trace", b"1"))
    assert (totals.results, totals.dead_letters) == (3, 1)
    assert world.results(0) == keys(2)
    assert world.committed(0) == 3


def test_letters_of_a_partition_are_in_the_order_of_their_inputs() -> None:
    """Given records that fail in scoring and in decoding by turns, when published, then letters keep order."""
    world = World(unscorable=["no"], partitions=1)
    for number in range(6):
        value = text_value("no") if number % 2 else UNREADABLE
        world.kafka.produce(value, key=str(number).encode())

    world.run()

    assert [one.key for one in world.kafka.partitions(DLQ)[0]] == [str(number).encode() for number in range(6)]


def test_a_result_too_large_to_be_written_is_a_dead_letter() -> None:
    """Given a record whose result is above the limit, when run, then a letter takes its place."""
    world = World(max_bytes=1_500)
    world.kafka.produce(text_value("long"), key=b"k" * 1_300)
    world.produce(1)

    totals = world.run()

    (letter,) = world.kafka.partitions(DLQ)[0]
    assert dict(letter.headers)["__connect.errors.stage"] == b"encode"
    assert world.results(0) == keys(1)
    assert (totals.results, totals.dead_letters, world.committed(0)) == (1, 1, 2)


def test_a_record_that_kafka_refuses_is_a_dead_letter() -> None:
    """Given a result that the broker always refuses, when run, then its letter takes its place.

    The others are published, and the failures that it took to find it count towards no limit.
    """
    world = World(limits=Limits(max_recoveries=0, batch_records=8))
    world.produce(5)
    world.outbox.refuse = {("texts", 0, 3)}

    totals = world.run()

    (letter,) = world.kafka.partitions(DLQ)[0]
    assert letter.key == keys(5)[3]
    assert dict(letter.headers)["__connect.errors.stage"] == b"publish"
    assert world.results(0) == [key for key in keys(5) if key != letter.key]
    assert (totals.results, totals.dead_letters, world.committed(0)) == (4, 1, 5)


def test_a_dead_letter_that_kafka_refuses_halts_loudly() -> None:
    """Given a record whose result and letter are refused, when run, then the run says what to change."""
    world = World()
    world.produce(2)
    world.outbox.refuse = {("texts", 0, 1)}
    world.outbox.refuse_letters = True

    with pytest.raises(KafkaStateError, match=r"texts-0-1 \(INVALID_RECORD\)"):
        world.run()

    assert world.committed(0) == 1


def test_too_many_dead_letters_stop_the_run() -> None:
    """Given a broken producer, when a thousandth letter in a row would be written, then the run stops.

    The batch that would have exceeded the limit is not committed.
    """
    world = World(limits=Limits(batch_records=100, dlq_in_a_row=250), partitions=1)
    for _ in range(400):
        world.kafka.produce(UNREADABLE)

    with pytest.raises(TooManyDeadLetters, match="250 dead letters in a row"):
        world.run()

    assert len(world.kafka.partitions(DLQ)[0]) == world.committed(0) == 200


def test_a_text_that_cannot_be_scored_is_a_dead_letter() -> None:
    """Given a text that the model cannot score, when run, then only it is a dead letter, with the reason.

    The results of its batch keep their order, and the logged padding is that of the scores.
    """
    world = World(unscorable={"text 0/1"})
    world.produce(4)

    with capture_logs() as lines:
        totals = world.run()

    (letter,) = world.kafka.partitions(DLQ)[0]
    headers = dict(letter.headers)
    assert (letter.key, letter.value) == (b"text 0/1", text_value("text 0/1"))
    assert headers["__connect.errors.stage"] == b"score"
    assert headers["__connect.errors.exception.class.name"] == UNSCORABLE.error.encode()
    assert headers["__connect.errors.exception.message"] == UNSCORABLE.reason.encode()
    assert world.results(0) == [key for key in keys(4) if key != b"text 0/1"]
    assert (totals.results, totals.dead_letters, world.committed(0)) == (3, 1, 4)
    (batch,) = [line for line in lines if line["event"] == "batch"]
    assert (batch["dead_letters"], batch["tokens"]) == (1, 3 * oracle("text 0/0").tokens)


def test_deletions_are_skipped_and_counted() -> None:
    """Given a changelog with deletes, when run, then the others are scored and the deletes are only counted."""
    world = World()
    world.produce(2)
    for value in (None, b"null"):
        world.kafka.produce(value, key=b"text 0/0")
    world.produce(1, partition=1)

    with capture_logs() as lines:
        totals = world.run()

    assert world.results(0) == keys(2)
    assert world.kafka.partitions(DLQ) == [[], []]
    assert (totals.records, totals.results, totals.dead_letters, totals.nulls) == (5, 3, 0, 2)
    assert sum(line["nulls"] for line in lines if line["event"] == "batch") == 2
    assert world.committed(0) == 4


def test_a_forwarded_deletion_keeps_its_place() -> None:
    """Given a row that is written, deleted and written again, when forwarded, then the order is the same.

    A compacted results topic then drops the deleted row, and keeps the row written after it.
    """
    world = World(on_null="forward")
    for number in range(6):
        text = f"text 0/{number}"
        world.kafka.produce(text_value(text), key=text.encode())
        world.kafka.produce(None, key=text.encode(), headers=(("op", b"d"),))
    world.kafka.produce(text_value("text 0/9"), key=b"text 0/9")

    totals = world.run()

    written = world.kafka.partitions(OUTPUT)[0]
    expected = [(f"text 0/{n}".encode(), is_null) for n in range(6) for is_null in (False, True)]
    assert [(one.key, one.value is None) for one in written] == [*expected, (b"text 0/9", False)]
    assert written[1].headers == (("op", b"d"), ("sentiment.schema", b"1"))
    assert (totals.results, totals.nulls, totals.dead_letters) == (7, 6, 0)


@pytest.mark.parametrize("on_null", ["skip", "forward", "dead-letter"])
def test_no_number_of_deletions_ends_a_run(on_null: Literal["skip", "forward", "dead-letter"]) -> None:
    """Given only deletes, when run, then no limit counts them, whatever their outcome."""
    world = World(limits=Limits(dlq_in_a_row=10, dlq_window=100), partitions=1, on_null=on_null)
    for _ in range(300):
        world.kafka.produce(None, key=b"k")

    totals = world.run()

    assert world.committed(0) == totals.records == totals.dead_letters + totals.nulls == 300
    assert totals.dead_letters == len(world.kafka.partitions(DLQ)[0]) == (300 if on_null == "dead-letter" else 0)


def test_deletions_do_not_hide_that_all_else_is_bad() -> None:
    """Given deletes between bad records, when there are too many bad ones in a row, then the run still stops."""
    world = World(limits=Limits(dlq_in_a_row=50, batch_records=20), partitions=1)
    for _ in range(200):
        world.kafka.produce(UNREADABLE)
        world.kafka.produce(None)

    with pytest.raises(TooManyDeadLetters, match="50 dead letters in a row"):
        world.run()
