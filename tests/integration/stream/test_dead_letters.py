"""`sentiment-consumer dlq` against a real broker: each letter goes back once, as the original input."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from consumer.stream.encode import Encoder
from consumer.stream.records import DeadLetter
from sentiment_testing.process import TIMEOUT_S
from shared.reasons import Stage
from tests.integration.conftest import Topics
from tests.support.fakes import TARGETS, record
from tests.support.processes import run_command
from tests.support.topics import Sent, produce, read_all

if TYPE_CHECKING:
    from pathlib import Path

    from confluent_kafka import Message

    from sentiment_testing.kafka import Broker, MakeTopic
    from tests.integration.conftest import Consumers

BAD = 1000
PARTITIONS = 3
RECORD_BYTES = 10_000
OUTPUT_BYTES = 20_000
TOO_LARGE = 25_000
BAD_VALUES: list[bytes | None] = [
    None,
    b"",
    b'{"text": "cut',
    b'{"text": "\xff\xfe"}',
    b'["text"]',
    b'{"body": "no text"}',
    b'{"text": 5}',
    b'{"text": " \\n"}',
    b'{"text": "' + b"x" * RECORD_BYTES + b'"}',
    b"\0\0\0\0\1\x80",
]
KEYS: list[bytes | None] = [None, b"", b"user-1", b"\x00\xff\xfe"]

SABOTAGE = """
import os, signal, subprocess, sys
from consumer.dlq import replay_writer

class Sabotaged(replay_writer.Producer):
    commits = 0

    def init_transactions(self, *arguments):
        {init}
        super().init_transactions(*arguments)

    def commit_transaction(self, *arguments):
        self.commits += 1
        if self.commits == 2:
            {before}
        super().commit_transaction(*arguments)
        if self.commits == 2:
            {after}

replay_writer.Producer = Sabotaged
from consumer.__main__ import main
main()
"""
KILL = "os.kill(os.getpid(), signal.SIGKILL)"
RUN_ANOTHER = "subprocess.run([sys.executable, '-m', 'consumer', *sys.argv[1:]], check=True)"

Content = tuple[int | None, object, object, object, int]
"""Partition, key, value, headers and timestamp of a record."""


@pytest.fixture
def topics(kafka: Broker, topic: MakeTopic) -> Topics:
    """Topics of their own; letters have fewer partitions than texts."""
    texts, letters = topic("texts", partitions=PARTITIONS), topic("letters", partitions=2)
    return Topics(kafka.bootstrap_servers, texts, topic("sentiments"), letters, f"group-{uuid4()}")


def test_letters_go_back_as_the_inputs_they_were(*, topics: Topics, model: Path, consumers: Consumers) -> None:
    """Given 1,000 bad inputs that became letters, when replayed, then each is in its topic once more.

    Letters without their values are reported instead. A dry run writes nothing, a second replay finds no work,
    and list shows all of it.
    """
    inputs = _bad_inputs()
    produce(topics.servers, topics.texts, inputs)
    limits = {
        "SENTIMENT_LIMITS__MAX_RECORD_BYTES": str(RECORD_BYTES),
        "SENTIMENT_LIMITS__MAX_OUTPUT_BYTES": str(OUTPUT_BYTES),
        "SENTIMENT_LIMITS__DLQ_IN_A_ROW": str(BAD + 1),  # otherwise this number of letters would stop it
    }
    flags = topics.flags("--model", str(model), "--delivery", "exactly-once", "--max-messages", str(BAD))
    assert consumers.start([*flags, "--on-null", "dead-letter"], limits).wait() == 0
    whole = [sent for sent in inputs if len(sent.value or b"") < TOO_LARGE]
    left = BAD - len(whole)
    assert f"{BAD} of {BAD} letters; 0 replayed" in _dlq(topics, "list")

    before = _contents(topics.servers, topics.texts)
    ends = _ends(topics, topics.texts, topics.letters)
    said = _dlq(topics, "replay", "--dry-run", code=65)
    assert f"would replay {len(whole)} letters: {topics.texts} {len(whole)}; {left} cannot be" in said
    assert _ends(topics, topics.texts, topics.letters) == ends

    said = _dlq(topics, "replay", code=65)
    assert f"replayed {len(whole)} letters: {topics.texts} {len(whole)}; {left} cannot be" in said
    assert said.count("cannot be replayed: it was too large") == left
    assert f"({TOO_LARGE} bytes of value); its input was {topics.texts}-" in said
    again = _contents(topics.servers, topics.texts) - before
    assert again == Counter(_content(sent) for sent in whole)

    assert f"replayed 0 letters; {left} cannot be; {len(whole)} skipped: already replayed" in _dlq(
        topics, "replay", code=65
    )
    assert _contents(topics.servers, topics.texts) - before == again
    assert f"{BAD} of {BAD} letters; {len(whole)} replayed" in _dlq(topics, "list")
    lines = [json.loads(line) for line in _dlq(topics, "list", "--json").splitlines()]
    assert len(lines) == len({line["letter"] for line in lines}) == BAD
    assert Counter(tuple(line["replayed_to"]) for line in lines) == {(topics.texts,): len(whole), (): left}


@pytest.mark.parametrize(("before", "after"), [(KILL, "pass"), ("pass", KILL)], ids=["before", "after"])
def test_a_replay_that_is_killed_doubles_nothing(*, before: str, after: str, topics: Topics) -> None:
    """Given a replay killed right before or after its second commit, when run again, then each is there once."""
    letters = _write_letters(topics, 1200)
    killed = _sabotaged(topics, "replay", before=before, after=after)
    assert killed.returncode == -9
    done = 1000 if after == KILL else 500
    read = f"replayed {1200 - done} letters: {topics.texts} {1200 - done}; {done} skipped: already replayed"
    assert read in _dlq(topics, "replay")
    assert _contents(topics.servers, topics.texts) == letters


def test_a_second_replay_fences_the_first(*, topics: Topics) -> None:
    """Given a replay in the middle of a transaction, when another one runs, then that does all the rest, alone."""
    letters = _write_letters(topics, 1200)
    first = _sabotaged(topics, "replay", before=RUN_ANOTHER)
    assert first.returncode == 76, first.stderr
    assert b"another replay of " + topics.letters.encode() + b" has taken over" in first.stderr
    assert f"replayed 700 letters: {topics.texts} 700; 500 skipped: already replayed".encode() in first.stdout
    assert _contents(topics.servers, topics.texts) == letters


def test_a_replay_that_takes_over_again_reads_the_receipts_anew(*, topics: Topics) -> None:
    """Given a slow commit that replaces its producer, when another replay ran meanwhile, then none is duplicated.

    The first one fences the other and continues, so its older knowledge of the receipts is no longer valid.
    """
    letters = _write_letters(topics, 1200)
    first = _sabotaged(topics, "replay", after=RUN_ANOTHER)
    assert first.returncode == 0, first.stderr
    assert [line.split(";")[0] for line in first.stdout.decode().splitlines()] == [
        f"replayed 200 letters: {topics.texts} 200",
        f"replayed 1000 letters: {topics.texts} 1000",
    ]
    assert _contents(topics.servers, topics.texts) == letters


def test_a_replay_reads_the_receipts_after_it_has_taken_over(*, topics: Topics) -> None:
    """Given another replay right before this one takes over, when it continues, then no letters are left."""
    letters = _write_letters(topics, 60)
    late = _sabotaged(topics, "replay", init=RUN_ANOTHER)
    assert late.returncode == 0, late.stderr
    assert late.stdout.decode().splitlines()[1:] == ["replayed 0 letters; 60 skipped: already replayed"]
    assert _contents(topics.servers, topics.texts) == letters


def test_a_replay_that_is_told_to_stop_ends_between_transactions(*, topics: Topics) -> None:
    """Given a slow replay, when it gets SIGTERM, then it ends with 0 and the next run does the rest."""
    letters = _write_letters(topics, 60)
    command = [sys.executable, "-m", "consumer", "dlq", "replay", "--rate", "1", *_flags(topics)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as slow:
        deadline = time.monotonic() + TIMEOUT_S
        while not read_all(topics.servers, topics.texts):
            assert slow.poll() is None
            assert time.monotonic() < deadline
        slow.terminate()
        out, err = slow.communicate(timeout=TIMEOUT_S)
    assert slow.returncode == 0, err
    done = _contents(topics.servers, topics.texts).total()
    assert f"replayed {done} letters: {topics.texts} {done}; {60 - done} left, as it was stopped" in out.decode()
    _dlq(topics, "replay")
    assert _contents(topics.servers, topics.texts) == letters


def test_a_letter_that_the_target_refuses_is_named_and_the_others_go_on(
    *, topics: Topics, topic: MakeTopic
) -> None:
    """Given letters larger than their target accepts, when replayed, then they are named, the others written once.

    The broker refuses whole batches, and the client cannot continue after that.
    """
    narrow = topic("narrow", partitions=PARTITIONS, config={"max.message.bytes": "900"})
    letters = _write_letters(topics, 40)
    for number in range(2):
        noise = bytes(random.Random(number).randbytes(2000))  # noqa: S311 - batches are compressed
        large = DeadLetter(record(noise, topic=topics.texts, offset=99 + number), Stage.DECODE, "E", "reason")
        produce(topics.servers, topics.letters, [_as_letter(large, number)])

    done = run_command("consumer", "dlq", "replay", "--to", narrow, *_flags(topics))

    said = done.stdout.decode()
    assert done.returncode == 65
    assert b"error: letters that cannot be replayed: 2; each is named above" in done.stderr
    named = said.splitlines()[:2]  # they are in two partitions, which may be read in any order
    assert all(f" cannot be replayed: {narrow} refuses its 2000 bytes as too large" in line for line in named)
    assert {line.split()[-1] for line in named} == {f"{topics.texts}-0-99", f"{topics.texts}-0-100"}
    assert f"replayed 40 letters: {narrow} 40; 2 cannot be" in said
    assert _contents(topics.servers, narrow) == letters
    assert "replayed 0 letters; 2 cannot be; 40 skipped: already replayed" in _dlq(
        topics, "replay", "--to", narrow, code=65
    )


def test_absurd_timestamps_keep_no_letter_back(*, topics: Topics, topic: MakeTopic) -> None:
    """Given a letter of the year 287,000 and inputs that no target takes, when listed and replayed, none is fatal.

    A dry run names the inputs that the broker will refuse, and the others are replayed.
    """
    letters = topic("absurd", config={"message.timestamp.after.max.ms": str(2**63 - 1)})
    texts = topic("strict", config={"message.timestamp.before.max.ms": "86400000", "cleanup.policy": "compact"})
    now = int(time.time() * 1000)
    rows: list[tuple[bytes | None, int]] = [(b"k", now), (b"k", now - 2 * 86_400_000), (b"k", 2**62), (None, now)]
    sent = [
        _as_letter(
            DeadLetter(
                record(b"bad", topic=texts, offset=offset, key=key, timestamp_ms=stamp),
                Stage.DECODE,
                "E",
                "reason",
            ),
            0,
        )
        for offset, (key, stamp) in enumerate(rows)
    ]
    produce(topics.servers, letters, [replace(sent[0], timestamp_ms=9_000_000_000_000_000), *sent[1:]])
    produce(topics.servers, letters, [Sent(b"x", timestamp_ms=9_000_000_000_000_000)])
    absurd = replace(topics, letters=letters)

    assert "9000000000000000 ms" in _dlq(absurd, "show", "0:0")
    listed = _dlq(absurd, "list")
    assert "4 of 4 letters, and 1 other records" in listed
    assert "9000000000000000 ms" in listed
    for dry in (["--dry-run"], []):
        said = _dlq(absurd, "replay", *dry, code=65).splitlines()
        assert f"0:1 cannot be replayed: its timestamp is {rows[1][1]}, and {texts} has" in said[0]
        assert f"0:2 cannot be replayed: its timestamp is {2**62}, and {texts} has" in said[1]
        assert f"0:3 cannot be replayed: it has no key, and {texts} is compacted" in said[2]
        assert f"1 letters: {texts} 1; 3 cannot be" in said[3]
    assert [(m.key(), m.timestamp()[1]) for m in read_all(topics.servers, texts)] == [(b"k", now)]


def test_a_receipt_behind_an_open_transaction_counts(*, topics: Topics) -> None:
    """Given a receipt that an open transaction hides, when replayed, then the replay waits and finds it.

    A reader of committed records stops before the open transaction, and would therefore write the input twice.
    """
    _write_letters(topics, 1)
    producer = Producer(
        {
            "bootstrap.servers": topics.servers,
            "transactional.id": f"open-{uuid4()}",
            "transaction.timeout.ms": 5000,
            "message.timeout.ms": 5000,
        }
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topics.letters, value=b"undecided", partition=0)
    assert producer.flush(30) == 0
    receipt = Sent(b"", key=b"sentiment.replayed:0:0", headers=(("sentiment.replayed_to", b"elsewhere"),))
    produce(topics.servers, topics.letters, [receipt])
    assert "1 of 1 letters; 0 replayed" in _dlq(topics, "list")

    assert "replayed 0 letters; 1 skipped: already replayed" in _dlq(topics, "replay")
    assert read_all(topics.servers, topics.texts) == []
    assert "1 of 1 letters; 1 replayed" in _dlq(topics, "list")


def test_filters_pace_and_another_topic(*, topics: Topics, topic: MakeTopic) -> None:
    """Given a topic of one partition, when some letters are replayed there, then only those, and once each.

    --again replays them once more.
    """
    letters = _write_letters(topics, 60)
    narrow = topic("narrow")
    began = time.monotonic()
    some = ("replay", "--to", narrow, "--limit", "30", "--error", "E1")
    assert f"replayed 20 letters: {narrow} 20" in _dlq(topics, *some, "--rate", "10")
    assert time.monotonic() - began > 1
    found = _contents(topics.servers, narrow)
    assert found.total() == 20
    assert {content[1:] for content in found} <= {content[1:] for content in letters}
    assert {content[0] for content in found} == {0}

    assert "replayed 0 letters; 20 skipped: already replayed" in _dlq(topics, *some)
    assert f"replayed 20 letters: {narrow} 20" in _dlq(topics, *some, "--again")
    assert set(_contents(topics.servers, narrow).values()) == {2}
    assert "0 of 60 letters" in _dlq(topics, "list", "--topic", "other")
    assert "0 of 60 letters" in _dlq(topics, "list", "--since", "2100-01-01T00:00:00Z")
    assert "20 of 60 letters; 0 replayed" in _dlq(topics, "list", "--since", "1h", "--error", "E2")


def test_a_hostile_letter_is_shown_harmlessly(*, topics: Topics) -> None:
    """Given control sequences and direction marks in every part, when shown, then they are plain characters."""
    evil = "\x1b]0;pwned\x07 \u202etxt \x9b2J"
    letter = DeadLetter(
        record(
            evil.encode() + b"\xff",
            topic=topics.texts,
            key=b"\x1b[2Jkey",
            headers=((evil, b"\x1b[31m\xfe"), ("n", None)),
        ),
        *(Stage.DECODE, evil, evil),
    )
    produce(topics.servers, topics.letters, [_as_letter(letter, 0)])
    shown = _dlq(topics, "show", "0:0")
    whole = _dlq(topics, "show", "0:0", "--text")
    for text in (shown, whole, _dlq(topics, "list"), _dlq(topics, "list", "--json")):
        assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(text)
        assert "\\u001b]0;pwned\\u0007 \\u202etxt \\u009b2J" in text
    assert "\\u001b[31m\\xfe" in shown
    assert "[2Jkey" not in shown
    assert "\\u001b[2Jkey" in whole
    assert "\\u009b2J\\xff" in whole


def test_what_is_no_letter_is_named(*, topics: Topics) -> None:
    """Given places and topics that hold no letter, when requested, then the error says what is there."""
    _write_letters(topics, 1)
    _dlq(topics, "replay")
    for arguments, said in [
        (("show", "0:1"), f"the receipt for the letter 0:0, replayed to {topics.texts}"),
        (("show", "0:2"), "nothing, or nothing any more"),
        (("show", "7:0"), "has no partition 7"),
        (("show", "0:9999"), "nothing, or nothing any more"),
        (("list", "--dlq-topic", "no-such"), "no such topic: no-such"),
        (("replay", "--again", "--to", "no-such"), "no such topic: no-such"),
    ]:
        done = run_command("consumer", "dlq", *arguments, *_flags(topics, arguments))
        assert done.returncode == 76, arguments
        assert said in done.stderr.decode()


def _bad_inputs() -> list[Sent]:
    """Bad inputs of all kinds, each with a distinct header; 10 are too large for a letter."""
    start = int(time.time() - 3600) * 1000
    return [
        Sent(
            b"\xff" * TOO_LARGE if number % 100 == 99 else BAD_VALUES[number % len(BAD_VALUES)],
            key=KEYS[number % len(KEYS)],
            headers=(
                ("n", str(number).encode()),
                ("n", b"again"),
                ("empty", b""),
                ("null", None),
                ("__connect.errors.topic", b"\x00\xff"),
                ("sentiment.schema", b"1"),
            )
            if number % 5
            else (("n", str(number).encode()),),
            timestamp_ms=start + number,
            partition=number % PARTITIONS,
        )
        for number in range(BAD)
    ]


def _write_letters(topics: Topics, count: int) -> Counter[Content]:
    """Writes letters as the service does, with three errors; returns their inputs."""
    start = int(time.time() - 3600) * 1000
    letters = [
        DeadLetter(
            record(
                f"bad {number}".encode(),
                topic=topics.texts,
                partition=number % PARTITIONS,
                offset=number,
                timestamp_ms=start + number,
                key=KEYS[number % len(KEYS)],
                headers=(("n", str(number).encode()), ("n", None)),
            ),
            *(Stage.DECODE, f"E{number % 3}", "reason"),
        )
        for number in range(count)
    ]
    produce(topics.servers, topics.letters, [_as_letter(one, one.record.partition % 2) for one in letters])
    return Counter(
        (r.partition, r.key, r.value, r.headers, r.timestamp_ms or 0) for r in (one.record for one in letters)
    )


def _as_letter(letter: DeadLetter, partition: int) -> Sent:
    encoder = Encoder("1", False, 0.5, 0.2, "input", "skip", 100_000, TARGETS)
    outgoing = encoder.dead_letter(letter)
    return Sent(outgoing.value, letter.record.key, outgoing.headers, partition=partition)


def _flags(topics: Topics, arguments: tuple[str, ...] = ()) -> list[str]:
    dlq = [] if "--dlq-topic" in arguments else ["--dlq-topic", topics.letters]
    return ["--bootstrap-servers", topics.servers, *dlq]


def _dlq(topics: Topics, *arguments: str, code: int = 0) -> str:
    done = run_command("consumer", "dlq", *arguments, *_flags(topics))
    assert done.returncode == code, done.stderr.decode()
    return done.stdout.decode()


def _sabotaged(
    topics: Topics, *arguments: str, init: str = "pass", before: str = "pass", after: str = "pass"
) -> subprocess.CompletedProcess[bytes]:
    """Runs `dlq` with an action before it takes over, or right before or after its second commit."""
    code = SABOTAGE.format(init=init, before=before, after=after)
    return subprocess.run(
        [sys.executable, "-c", code, "dlq", *arguments, *_flags(topics)],
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def _contents(servers: str, topic: str) -> Counter[Content]:
    return Counter(
        (m.partition(), m.key(), m.value(), _headers(m), m.timestamp()[1]) for m in read_all(servers, topic)
    )


def _content(sent: Sent) -> Content:
    return sent.partition, sent.key, sent.value, sent.headers, sent.timestamp_ms


def _headers(message: Message) -> tuple[tuple[str, bytes | None], ...]:
    return tuple(message.headers() or ())  # type: ignore[arg-type]


def _ends(topics: Topics, *names: str) -> list[int]:
    """The number of records in the topics, including undecided ones."""
    return [len(read_all(topics.servers, name, isolation="read_uncommitted")) for name in names]
