"""The checks before the loop: the part of the preflight that needs no broker, or an embedded one."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from consumer.preflight.questions import Preflight, describe_topics, topic_config
from consumer.preflight.topic_config import Targets, TopicConfig
from consumer.settings import ConsumerSettings
from demo.broker import EmbeddedBroker
from shared.kafka.settings import KafkaSettings

Answer = Future[dict[str, Any]]


def test_topics_are_described_in_one_line() -> None:
    """Given counts and a pattern without topics, when described, then one line has all of it."""
    assert describe_topics({"texts": 4, "sentiments": 2}, []) == "texts (4), sentiments (2)"
    assert (
        describe_topics({"sentiments": 2}, ["^x"]) == "sentiments (2); ^x matches no topic yet, run waits for one"
    )


def test_a_configuration_is_read_from_the_answer() -> None:
    """Given the broker's entries, when read, then the configuration is known."""
    answer: Answer = Future()
    values = {"cleanup.policy": "compact", "message.timestamp.after.max.ms": "3600000"}
    answer.set_result({key: SimpleNamespace(value=value) for key, value in values.items()})

    assert topic_config("sentiments", answer) == TopicConfig("sentiments", known=True, compacted=True)


def test_a_configuration_that_may_not_be_asked_for_is_not_known() -> None:
    """Given a user without DESCRIBE_CONFIGS, when asked, then nothing is known, and that is not an error."""
    answer: Answer = Future()
    answer.set_exception(KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)))

    assert topic_config("sentiments", answer) == TopicConfig("sentiments")


def test_an_embedded_broker_is_not_asked_for_rights_or_configurations() -> None:
    """Given an embedded broker, which never answers such requests, when asked, then it is skipped."""
    with EmbeddedBroker(["texts"]) as broker:
        preflight = Preflight(ConsumerSettings(kafka=KafkaSettings(bootstrap_servers=broker.address)))

        assert preflight.rights() == "the broker does not say"
        assert preflight.targets() == Targets(TopicConfig("sentiments"), TopicConfig("sentiments.dlq"))


def test_a_pattern_stands_for_what_it_matches_now_but_never_for_what_is_written() -> None:
    """Given a pattern, when partitions are counted, then its topics are included; one without a match waits."""
    with EmbeddedBroker(["tw-a", "tw-b", "tw-out", "tw-dlq", "other"]) as broker:
        settings = ConsumerSettings(
            kafka=KafkaSettings(bootstrap_servers=broker.address),
            input_topics=("^tw-.*", "^none-.*", "other"),
            output_topic="tw-out",
            dlq_topic="tw-dlq",
        )
        preflight = Preflight(settings)

        assert set(preflight.partitions()) == {"tw-a", "tw-b", "tw-out", "tw-dlq", "other"}
        assert preflight.unmatched() == ["^none-.*"]
