"""A topic counts as deleted only after no broker has known it for a while."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumer.kafka.topics.watch import CHECK_S, GONE_S, REQUEST_S, TRIES_S, TopicWatch
from consumer.stream.records import PublishFailed
from tests.support.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import Collection

    from confluent_kafka import TopicCollection


class Brokers:
    """Replaces an admin client: returns the ids of the topics that the broker knows at the moment."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.out_of_reach = 0
        """How often the client has to get new metadata before it asks a broker that answers."""
        self.metadata_out_of_reach = 0
        """How many requests for new metadata meet no broker that answers."""
        self.waited_s = 0.0

    def describe_topics(self, topics: TopicCollection, *, request_timeout: float) -> dict[str, Future[Any]]:
        """Answers at once."""
        away = self.out_of_reach > 0
        self.waited_s += request_timeout * away
        answers: dict[str, Future[Any]] = {}
        for name in topics.topic_names:
            answers[name] = Future()
            if away:
                answers[name].set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))  # noqa: SLF001
            elif name in self.known:
                answers[name].set_result(SimpleNamespace(topic_id=self.known[name]))
            else:
                answers[name].set_exception(KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)))
        return answers

    def list_topics(self, *, timeout: float) -> None:
        """New metadata name another broker as the controller."""
        assert timeout > 0
        if self.metadata_out_of_reach:
            self.metadata_out_of_reach -= 1
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001
        self.out_of_reach -= 1


def asked(watch: TopicWatch, clock: FakeClock, topics: Collection[str] = ("texts",)) -> dict[str, str | None]:
    """One request and its answer, when it is due."""
    clock.now_s += CHECK_S
    assert watch.is_due
    watch.ask(topics)
    return watch.answers()


def test_a_broker_that_does_not_know_a_topic_yet_deletes_nothing() -> None:
    """Given a topic that one answer lacks, as from a broker that has just started, then it is not deleted."""
    brokers, clock = Brokers(), FakeClock()
    watch = TopicWatch(brokers, clock=clock)  # type: ignore[arg-type]
    for known in ({"texts": "id"}, {}, {"texts": "id"}, {}, {"texts": "id"}) * 10:
        brokers.known = known
        assert asked(watch, clock) == {"texts": known.get("texts")}
        assert watch.gone() == set()


def test_a_topic_that_stays_away_is_gone() -> None:
    """Given a topic that every answer lacks, when that lasts, then it is deleted, until it comes back."""
    brokers, clock = Brokers(), FakeClock()
    watch = TopicWatch(brokers, clock=clock)  # type: ignore[arg-type]
    began = clock.now_s
    while not watch.gone():
        assert clock.now_s - began < 2 * GONE_S
        asked(watch, clock)
    assert clock.now_s - began >= GONE_S

    brokers.known = {"texts": "another"}
    assert asked(watch, clock) == {"texts": "another"}
    assert watch.gone() == set()


def test_a_topic_that_was_missing_once_is_not_gone_when_its_partitions_move_away() -> None:
    """Given one answer that lacks a topic, when only others are owned from then on, then it is not deleted."""
    brokers, clock = Brokers(), FakeClock()
    watch = TopicWatch(brokers, clock=clock)  # type: ignore[arg-type]
    brokers.known = {"more": "1"}
    asked(watch, clock, ("texts", "more"))
    brokers.known = {"texts": "id", "more": "1"}

    while clock.now_s < 2 * GONE_S:
        assert asked(watch, clock, ("more",))["more"] == "1"
        assert watch.gone() == set()


def test_a_deleted_topic_of_a_pattern_is_not_asked_for_without_end() -> None:
    """Given a topic that stays away and that nobody reads any more, then in the end it is not asked for."""
    brokers, clock = Brokers(), FakeClock()
    watch = TopicWatch(brokers, clock=clock)  # type: ignore[arg-type]
    brokers.known = {"more": "1"}
    asked(watch, clock, ("texts", "more"))

    while clock.now_s < 3 * GONE_S:
        found = asked(watch, clock, ("more",))

    assert found == {"more": "1"}


def test_a_broker_out_of_reach_costs_a_short_wait() -> None:
    """Given a broker that does not answer, when the ids are needed at once, then another one is asked soon."""
    brokers = Brokers()
    watch = TopicWatch(brokers)  # type: ignore[arg-type]
    brokers.known = {"texts": "id"}
    brokers.out_of_reach = len(TRIES_S) - 1

    assert watch.ids(["texts"]) == {"texts": "id"}
    assert brokers.waited_s < REQUEST_S

    brokers.out_of_reach = len(TRIES_S)
    with pytest.raises(PublishFailed):
        watch.ids(["texts"])


def test_metadata_that_do_not_come_are_asked_for_again_between_two_tries() -> None:
    """Given a request for metadata that meets the broker out of reach too, then another is asked."""
    brokers = Brokers()
    watch = TopicWatch(brokers)  # type: ignore[arg-type]
    brokers.known = {"texts": "id"}
    brokers.out_of_reach = brokers.metadata_out_of_reach = 1

    assert watch.ids(["texts"]) == {"texts": "id"}
    assert brokers.waited_s == TRIES_S[0]
