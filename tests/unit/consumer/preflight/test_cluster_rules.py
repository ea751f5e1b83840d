"""The brokers' own configuration, and what it does to a run."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from consumer.preflight.cluster_rules import cluster_problems
from consumer.preflight.topic_config import Layout
from consumer.settings import ConsumerSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumer.preflight.problem import Problem

SETTINGS = ConsumerSettings()
DEFAULTS = {
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.max.timeout.ms": "900000",
    "offsets.retention.minutes": "10080",
    "auto.create.topics.enable": "true",
    "default.replication.factor": "1",
}
LAYOUTS = {"sentiments": Layout(4, 1, 1), "sentiments.dlq": Layout(4, 1, 1)}


def problems(
    brokers: int = 3,
    topics: tuple[str, ...] = (),
    layouts: Mapping[str, Layout] = LAYOUTS,
    settings: ConsumerSettings = SETTINGS,
    config: Mapping[str, str] = MappingProxyType({}),
) -> list[Problem]:
    """What is found with a broker's defaults but for these entries."""
    return cluster_problems(brokers, topics, DEFAULTS | {**config}, layouts, settings)


def test_a_cluster_with_defaults_is_well() -> None:
    """Given three brokers with defaults, or any that do not show their configuration, then there is no problem."""
    assert problems() == []
    assert cluster_problems(1, (), {}, LAYOUTS, SETTINGS) == []


def test_internal_topics_need_as_many_brokers_as_replicas() -> None:
    """Given one broker and three replicas, when asked, then both topics that are missing are fatal."""
    commits, transactions = problems(brokers=1)

    assert commits.is_fatal
    assert transactions.is_fatal
    assert "offsets.topic.replication.factor is 3 and there are 1 broker(s)" in commits.text
    assert "or run with --delivery at-least-once" in transactions.text
    assert problems(1, ("__consumer_offsets", "__transaction_state")) == []


def test_at_least_once_needs_no_transactions() -> None:
    """Given at-least-once delivery, when asked, then nothing is said of transactions."""
    settings = ConsumerSettings(delivery="at-least-once")
    short = {"transaction.max.timeout.ms": "10000"}

    assert problems(1, ("__consumer_offsets",), settings=settings, config=short) == []
    (problem,) = problems(config=short)
    assert problem.is_fatal
    assert "allow 10 s and this service asks for 60 s; raise transaction.max.timeout.ms" in problem.text


@pytest.mark.parametrize(("reset", "count"), [("earliest", 1), ("none", 0)])
def test_commits_that_are_soon_forgotten_are_a_warning(reset: str, count: int) -> None:
    """Given commits that are kept for two hours, when asked, then a line says where a group begins after that."""
    settings = ConsumerSettings.model_validate({"auto_offset_reset": reset})

    found = problems(config={"offsets.retention.minutes": "120"}, settings=settings)

    assert [problem.is_fatal for problem in found] == [False] * count
    assert all("forget the commits of a group 2 hours after it has stopped" in problem.text for problem in found)


@pytest.mark.parametrize(("enabled", "replicas", "count"), [("true", 3, 1), ("true", 1, 0), ("false", 3, 0)])
def test_a_topic_that_comes_back_with_fewer_replicas_is_a_warning(enabled: str, replicas: int, count: int) -> None:
    """Given brokers that create topics by themselves, when that would be worse, then a line names the topics."""
    layouts = {"sentiments": Layout(4, replicas, 1), "sentiments.dlq": Layout(4, 1, 1)}

    found = problems(layouts=layouts, config={"auto.create.topics.enable": enabled})

    assert [problem.is_fatal for problem in found] == [False] * count
    assert all(problem.text.startswith("if sentiments is deleted during a run") for problem in found)
