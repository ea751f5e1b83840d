"""The behaviour of whole processes: killed, stopped, sharing partitions, or with input that they must refuse."""

from __future__ import annotations

import json
import pickle
import shutil
import signal
from collections import Counter
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.integration.conftest import PARTITIONS
from tests.support.processes import run_command
from tests.support.topics import Sent, hold_commits, produce, read_all

if TYPE_CHECKING:
    from pathlib import Path

    from sentiment_testing.kafka import Broker
    from tests.integration.conftest import Consumers, Topics

MESSAGES = 12_000
FAST_SESSION = json.dumps({"session.timeout.ms": 6000, "heartbeat.interval.ms": 500})
SMALL_BATCHES = {"SENTIMENT_LIMITS__BATCH_RECORDS": "64", "SENTIMENT_KAFKA__PROPERTIES": FAST_SESSION}
STOP_S = 10.0
OPEN_S = 15.0
"""Longer than a process takes to start and to have been idle."""


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_kill_and_restart_loses_nothing(
    *, delivery: str, topics: Topics, model: Path, consumers: Consumers
) -> None:
    """Given a consumer killed in the middle of its work, when it is restarted, then nothing is missing.

    Exactly-once leaves each id once for a read_committed reader; at-least-once may repeat, with equal ids.
    """
    _send(topics, MESSAGES)
    flags = topics.flags("--model", str(model), "--delivery", delivery)
    first = consumers.start(flags, SMALL_BATCHES)
    first.await_log('"event": "batch"', count=20)
    first.kill()
    before = len(read_all(topics.servers, topics.sentiments))
    assert 0 < before < MESSAGES, "the kill came too early or too late to prove anything"

    assert consumers.start([*flags, "--until-idle-s", "8"], SMALL_BATCHES).wait() == 0

    ids = _result_ids(topics)
    assert set(ids) == {str(number) for number in range(MESSAGES)}
    if delivery == "exactly-once":
        assert max(ids.values()) == 1


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_a_run_until_idle_waits_for_what_a_killed_member_left_open(
    *, delivery: str, topics: Topics, model: Path, consumers: Consumers
) -> None:
    """Given offsets in a transaction that nobody ends, when run until idle, then nothing is left behind."""
    _send(topics, 100)
    held = hold_commits(topics.servers, topics.group, {(topics.texts, 1): 5}, for_s=OPEN_S)
    flags = topics.flags("--model", str(model), "--delivery", delivery, "--until-idle-s", "1")

    assert consumers.start(flags, SMALL_BATCHES).wait() == 0

    assert _result_ids(topics) == Counter({str(number): 1 for number in range(100)})
    del held


def test_two_members_share_the_partitions(*, topics: Topics, model: Path, consumers: Consumers) -> None:
    """Given two members, when one joins late and leaves early, then both worked and nothing is lost."""
    flags = topics.flags("--model", str(model), "--delivery", "exactly-once")
    first = consumers.start([*flags, "--instance-id", "0"], SMALL_BATCHES)
    first.await_log('"event": "partitions_assigned"')
    second = consumers.start([*flags, "--instance-id", "1"], SMALL_BATCHES)
    second.await_log('"owned": 2')
    _send(topics, MESSAGES)
    second.await_log('"event": "batch"', count=10)
    assert second.terminate()[0] == 0
    first.await_log(f'"owned": {PARTITIONS}', count=2)
    assert consumers.start([*flags, "--instance-id", "2", "--until-idle-s", "5"], SMALL_BATCHES).wait() == 0
    topics.await_committed()
    assert first.terminate()[0] == 0

    assert '"event": "batch"' in first.log
    assert _result_ids(topics) == Counter({str(number): 1 for number in range(MESSAGES)})


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_stops_within_ten_seconds(
    *, signal_number: signal.Signals, topics: Topics, model: Path, consumers: Consumers
) -> None:
    """Given a busy consumer, when it is asked to stop, then it ends cleanly and the rest is read later."""
    _send(topics, MESSAGES)
    flags = topics.flags("--model", str(model), "--delivery", "exactly-once")
    consumer = consumers.start(flags, SMALL_BATCHES)
    consumer.await_log('"event": "batch"', count=5)
    code, seconds = consumer.terminate(signal_number)
    assert code == 0
    assert seconds < STOP_S

    assert consumers.start([*flags, "--until-idle-s", "5"], SMALL_BATCHES).wait() == 0
    assert _result_ids(topics) == Counter({str(number): 1 for number in range(MESSAGES)})


def test_max_messages_commits_exactly_so_many(*, topics: Topics, model: Path, consumers: Consumers) -> None:
    """Given more messages than --max-messages, when two runs follow each other, then none is read twice."""
    _send(topics, 500)
    flags = topics.flags("--model", str(model), "--max-messages", "200")
    for expected in (200, 400):
        assert consumers.start(flags).wait() == 0
        assert sum(_result_ids(topics).values()) == expected
    assert max(_result_ids(topics).values()) == 1


def test_tweets_are_read_where_they_stand(*, topics: Topics, model: Path, consumers: Consumers) -> None:
    """Given the objects of another producer, when their paths are set, then text and id are found there."""
    values = [{"data": {"id": 10**18 + n, "text": f"tweet {n}"}, "includes": {}} for n in range(20)]
    produce(topics.servers, topics.texts, [Sent(json.dumps(value).encode()) for value in values])
    flags = topics.flags("--model", str(model), "--text-field", "data.text", "--id-field", "data.id")
    assert consumers.start([*flags, "--max-messages", "20"]).wait() == 0
    assert set(_result_ids(topics)) == {str(10**18 + n) for n in range(20)}


def test_a_flipped_byte_in_the_weights_is_refused(*, model: Path, tmp_path: Path) -> None:
    """Given altered weights, when the model is used, then one line says so and the exit code is 66."""
    folder = tmp_path / "altered"
    shutil.copytree(model, folder)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[len(weights) // 2] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    _refused(66, "was altered", "score", "--model", str(folder), "text")


def test_a_pickle_in_the_folder_is_refused(*, model: Path, tmp_path: Path) -> None:
    """Given a pickle next to the weights, when the model is used, then it is refused unread with code 66."""
    folder = tmp_path / "pickled"
    shutil.copytree(model, folder)
    (folder / "training_args.bin").write_bytes(pickle.dumps({"lr": 1}))
    _refused(66, "pickle", "score", "--model", str(folder), "text")


def test_a_misspelt_setting_is_refused(*, model: Path) -> None:
    """Given a misspelt variable, when any command starts, then the nearest valid name is named, with code 78."""
    done = run_command(
        "consumer", "score", "--model", str(model), "text", env={"SENTIMENT_LIMITS__BATCH_RECORD": "9"}
    )
    assert done.returncode == 78
    assert _only_line(done.stderr) == (
        "error: unknown setting SENTIMENT_LIMITS__BATCH_RECORD in the environment; "
        "did you mean SENTIMENT_LIMITS__BATCH_RECORDS?"
    )


def test_an_unreachable_broker_is_named(*, model: Path) -> None:
    """Given an address where nothing listens, when `run` starts, then it ends with code 69 and says what to do."""
    done = run_command("consumer", "run", "--model", str(model), "--bootstrap-servers", "127.0.0.1:1")
    assert done.returncode == 69
    line = done.stderr.decode().splitlines()[-1]
    assert line.startswith("error: Kafka at 127.0.0.1:1 does not answer")
    assert "--bootstrap-servers" in line
    assert b"Traceback" not in done.stderr


def test_a_missing_topic_is_named(*, kafka: Broker, model: Path) -> None:
    """Given topics that do not exist, when `run` starts, then it ends with code 76 and says how to make them."""
    done = run_command(
        *("consumer", "run", "--model", str(model), "--bootstrap-servers", kafka.bootstrap_servers),
        *("--input-topic", "no-such-topic"),
    )
    assert done.returncode == 76
    assert b"no such topic: no-such-topic" in done.stderr
    assert b"topics create" in done.stderr


def test_check_answers_line_by_line(*, topics: Topics, model: Path) -> None:
    """Given a working set-up, when `check` runs, then every line is ok; without a broker, it goes on."""
    flags = topics.flags("--model", str(model), "--device", "cpu")
    done = run_command("consumer", "check", *flags)
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0, lines
    assert [line.split()[:2] for line in lines] == [
        ["ok", name]
        for name in (
            "settings",
            "broker",
            "rights",
            "topics",
            "configs",
            "cluster",
            "input",
            "model",
            "device",
            "score",
        )
    ]
    done = run_command("consumer", "check", "--model", str(model), "--bootstrap-servers", "127.0.0.1:1")
    assert done.returncode == 69
    assert b"FAIL broker" in done.stdout
    assert b"ok   score" in done.stdout


def test_topics_create_makes_what_is_missing(*, kafka: Broker) -> None:
    """Given a new broker, when topics are created twice, then the second time changes nothing."""
    suffix = uuid4().hex[:8]
    flags = ["--bootstrap-servers", kafka.bootstrap_servers, "--input-topic", f"in-{suffix}"]
    flags += ["--output-topic", f"out-{suffix}", "--dlq-topic", f"dlq-{suffix}", "--partitions", "2"]
    for word in (b"created, 2 partitions", b"exists, 2 partitions"):
        done = run_command("consumer", "topics", "create", *flags)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(word) == 3


def _refused(code: int, reason: str, *arguments: str) -> None:
    done = run_command("consumer", *arguments)
    assert done.returncode == code
    line = _only_line(done.stderr)
    assert line.startswith("error: ")
    assert reason in line


def _only_line(stderr: bytes) -> str:
    lines = stderr.decode().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def _send(topics: Topics, count: int) -> None:
    values = [json.dumps({"id": str(number), "text": f"message {number} is fine"}) for number in range(count)]
    records = [Sent(value.encode(), key=b"k", partition=n % PARTITIONS) for n, value in enumerate(values)]
    produce(topics.servers, topics.texts, records)


def _result_ids(topics: Topics) -> Counter[str]:
    messages = read_all(topics.servers, topics.sentiments)
    return Counter(json.loads(message.value() or b"{}")["id"] for message in messages)
