"""The testing package as its users see it: texts in, results and letters out, on a real Kafka and on the mock."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from sentiment_testing.errors import ConsumerError, NotInTimeError
from sentiment_testing.kafka import UnavailableError, local_node, mock_kafka
from sentiment_testing.model import make_model
from sentiment_testing.stack import Stack
from tests.conftest import skip_or_fail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sentiment_testing.kafka import Broker


@pytest.fixture(scope="module")
def counts_words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of the package."""
    return make_model(tmp_path_factory.mktemp("model") / "counts-words")


@pytest.fixture(scope="module")
def mock() -> Iterator[Broker]:
    """The mock cluster."""
    with mock_kafka() as broker:
        yield broker


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_results_on_a_real_kafka(*, protocol: str, kafka: Broker, counts_words: Path, tmp_path: Path) -> None:
    """Given texts, a bad input, a kill and a restart, when results are waited for, then each is there once."""
    with Stack(kafka, counts_words, tmp_path, settings={"group_protocol": protocol}) as stack:
        _send_kill_and_restart(stack)
        assert len(stack.results(6)) == 6
        assert '"delivery": "exactly-once"' in stack.log


def test_results_on_the_mock(*, mock: Broker, counts_words: Path, tmp_path: Path) -> None:
    """Given the same on the mock cluster, when results are waited for, then each is there at least once."""
    with Stack(mock, counts_words, tmp_path) as stack:
        _send_kill_and_restart(stack)
        assert '"delivery": "at-least-once"' in stack.log


@pytest.mark.kafka
def test_an_error_has_the_end_of_the_brokers_log() -> None:
    """Given a local broker, when the block that uses it fails, then a note of the error has the broker's words."""
    try:
        with pytest.raises(ZeroDivisionError) as caught, local_node(0):
            raise ZeroDivisionError
    except UnavailableError as why:
        skip_or_fail(str(why))
    (note,) = caught.value.__notes__
    assert note.startswith("the last lines of the broker's log:\n")
    assert "WARN org.apache.kafka.controller.QuorumController" in note


def test_too_few_results_are_counted(*, mock: Broker, counts_words: Path, tmp_path: Path) -> None:
    """Given one text, when two results are waited for, then the error has both numbers and what to do."""
    with Stack(mock, counts_words, tmp_path) as stack:
        stack.send(["good"])
        with pytest.raises(NotInTimeError, match="1 of 2 results after 5 s; the consumer runs"):
            stack.results(2, timeout_s=5)
        stack.kill()
        with pytest.raises(NotInTimeError, match=r"call start\(\) or restart\(\)"):
            stack.results(2, timeout_s=0.5)


def test_a_consumer_that_cannot_start_is_reported(*, mock: Broker, counts_words: Path, tmp_path: Path) -> None:
    """Given a setting that does not exist, when the consumer starts, then the error has its code and its words."""
    with ExitStack() as closing:
        stack = Stack(mock, counts_words, tmp_path, settings={"no_such": "1"})
        closing.callback(stack.close)
        with pytest.raises(ConsumerError, match=r"(?s)exit code 78; .*unknown setting SENTIMENT_NO_SUCH"):
            stack.start()


def _send_kill_and_restart(stack: Stack) -> None:
    """Six texts of which three follow a kill, and an input that is no JSON."""
    first = stack.send(["a good day", "an awful film", "the table"])
    stack.send([b"\xff"])
    labels = {one.id: one.label for one in stack.results(3)}
    assert [labels[one] for one in first] == ["positive", "negative", "neutral"]
    (letter,) = stack.letters(1)
    assert (letter.value, letter.error) == (b"\xff", "BadRecord")
    assert letter.reason

    stack.kill()
    second = stack.send(["bad"] * 3)
    assert not stack.is_running
    stack.restart()
    labels = {one.id: one.label for one in stack.results(6)}
    assert [labels[one] for one in second] == ["negative"] * 3
    assert len(stack.letters()) >= 1
    stack.stop()
