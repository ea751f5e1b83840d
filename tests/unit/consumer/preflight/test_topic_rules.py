"""Topics that people made: a line for each thing that will hurt, and none for what is well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.preflight.topic_config import UNLIMITED_MS, Layout, Targets, TopicConfig
from consumer.preflight.topic_rules import topic_problems
from consumer.settings import ConsumerSettings
from tests.unit.consumer.preflight.test_topic_config import of

if TYPE_CHECKING:
    from consumer.preflight.problem import Problem

SETTINGS = ConsumerSettings()
OUTPUT, DLQ = SETTINGS.output_topic, SETTINGS.dlq_topic
HOUR_MS = 3_600_000
ALONE = Layout(1, 1, 1)


def problems(
    output: TopicConfig | None = None,
    letters: TopicConfig | None = None,
    settings: ConsumerSettings = SETTINGS,
    *,
    layout: Layout = ALONE,
    texts: Layout = ALONE,
) -> list[Problem]:
    """What is found with Kafka's defaults but for what is given: `layout` of both topics, `texts` of the input."""
    targets = Targets(output or of(), letters or dlq())
    return topic_problems(targets, {OUTPUT: layout, DLQ: layout}, {"texts": texts}, settings)


def dlq(**values: str) -> TopicConfig:
    """The dead-letter topic with these entries."""
    return TopicConfig.of(DLQ, {key.replace("_", "."): value for key, value in values.items()})


def test_topics_as_kafka_creates_them_are_well() -> None:
    """Given defaults, unknown configurations, or what Kafka's documentation advises, then there is no problem."""
    assert problems() == []
    assert problems(TopicConfig(OUTPUT), TopicConfig(DLQ), layout=Layout(3, 3, 3), texts=Layout(3, 3, 3)) == []
    advised = {"min_insync_replicas": "2"}
    three = Layout(6, 3, 3)
    assert problems(of(**advised), dlq(**advised), layout=three, texts=three) == []


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ({"cleanup_policy": "compact"}, "deletes all but the last result of each key"),
        ({"retention_ms": str(12 * HOUR_MS)}, "deletes results after 12 hours (retention.ms)"),
        ({"retention_bytes": "40000000"}, "about 100,000 results"),
        ({"message_timestamp_type": "LogAppendTime"}, "message.timestamp.type=CreateTime, or --timestamps now"),
        ({"max_message_bytes": "20000"}, "larger results become dead letters"),
        ({"max_message_bytes": "2000"}, "larger results become dead letters"),
        ({"unclean_leader_election_enable": "true"}, "may lose committed records"),
        ({"message_timestamp_before_max_ms": "60000"}, "refuses timestamps of more than 60 s before"),
        ({"message_timestamp_after_max_ms": "5000"}, "refuses timestamps of more than 5 s after"),
        ({"min_insync_replicas": "2"}, "with KRaft 1 are enough, older clusters refuse each write"),
    ],
)
def test_what_may_hurt_results_is_a_warning(output: dict[str, str], said: str) -> None:
    """Given one setting of the output topic, when compared, then a line says what happens and what to do."""
    (problem,) = problems(of(**output))

    assert said in problem.text
    assert problem.text.startswith(OUTPUT)
    assert f"kafka-configs --alter --topic {OUTPUT} --add-config " in problem.text
    assert not problem.is_fatal


@pytest.mark.parametrize(
    ("letters", "said", "is_fatal"),
    [
        ({"cleanup_policy": "compact"}, "refuses dead letters without a key", True),
        ({"cleanup_policy": "compact,delete"}, "refuses dead letters without a key", True),
        ({"max_message_bytes": "4000"}, "a dead letter may not fit at all", True),
        ({"max_message_bytes": "20000"}, "larger dead letters lose their values", False),
        ({"retention_ms": str(24 * HOUR_MS)}, "deletes dead letters after 24 hours", False),
        ({"retention_bytes": "1000000"}, "the first may be deleted before the limit ends a run", False),
        ({"unclean_leader_election_enable": "true"}, "may lose committed records", False),
        ({"min_insync_replicas": "3"}, "older clusters refuse each write", False),
    ],
)
def test_what_hurts_dead_letters_is_said(letters: dict[str, str], said: str, *, is_fatal: bool) -> None:
    """Given one setting of the dead-letter topic, when compared, then what is sure to fail is fatal."""
    (problem,) = problems(letters=dlq(**letters))

    assert said in problem.text
    assert problem.text.startswith(DLQ)
    assert f"kafka-configs --alter --topic {DLQ} --add-config " in problem.text
    assert problem.is_fatal == is_fatal


@pytest.mark.parametrize(
    ("changed", "output"),
    [
        ({"on_null": "forward"}, {"cleanup_policy": "compact"}),
        ({"timestamps": "now"}, {"message_timestamp_type": "LogAppendTime"}),
        ({"limits": {"max_output_bytes": 10_000}}, {"max_message_bytes": "20000"}),
    ],
)
def test_what_is_meant_is_no_problem(changed: dict[str, Any], output: dict[str, str]) -> None:
    """Given settings under which it is meant, when compared, then nothing is said."""
    settings = ConsumerSettings.model_validate(changed)

    assert problems(of(**output), settings=settings) == []


@pytest.mark.parametrize(
    ("replicas", "least", "in_sync", "said"),
    [
        (3, 1, 3, "acknowledges what one broker has"),
        (2, 2, 2, "needs all of its 2 replicas"),
        (3, 2, 1, "has a partition with 1 of 3 replicas in sync and needs 2"),
        (2, 1, 1, None),
        (2, 1, 0, "has a partition with 0 of 2 replicas in sync"),
    ],
)
def test_replicas_are_compared_with_what_a_write_needs(
    replicas: int, least: int, in_sync: int, said: str | None
) -> None:
    """Given replicas and min.insync.replicas, when compared, then each topic has one line, or none."""
    found = problems(
        of(min_insync_replicas=str(least)),
        dlq(min_insync_replicas=str(least)),
        layout=Layout(1, replicas, in_sync),
    )

    assert len(found) == (0 if said is None else 2)
    assert all(str(said) in problem.text for problem in found)


def test_topics_are_compared_with_the_input() -> None:
    """Given an input with more partitions and replicas, when compared, then both are named, once for letters."""
    found = [problem.text for problem in problems(texts=Layout(6, 3, 3))]

    assert [text.split()[0] for text in found] == [OUTPUT, OUTPUT, DLQ]
    assert "has 1 partition(s) and texts has 6" in found[0]
    assert "kafka-topics --alter --topic sentiments --partitions 6" in found[0]
    assert all("--replication 3" in text for text in found[1:])
    assert problems(layout=Layout(6, 1, 1), texts=Layout(3, 1, 1)) == []


@given(
    values=st.fixed_dictionaries(
        {},
        optional={
            "cleanup.policy": st.sampled_from(["delete", "compact", "compact,delete", ""]),
            "retention.ms": st.integers(-1, UNLIMITED_MS).map(str),
            "retention.bytes": st.integers(-1, 2**63 - 1).map(str),
            "max.message.bytes": st.integers(0, 2**31 - 1).map(str),
            "min.insync.replicas": st.integers(1, 9).map(str),
            "message.timestamp.type": st.sampled_from(["CreateTime", "LogAppendTime"]),
            "message.timestamp.before.max.ms": st.integers(0, UNLIMITED_MS).map(str),
            "message.timestamp.after.max.ms": st.integers(0, UNLIMITED_MS).map(str),
            "unclean.leader.election.enable": st.sampled_from(["true", "false"]),
        },
    ),
    layout=st.builds(Layout, st.integers(1, 99), st.integers(1, 9), st.integers(0, 9)),
    inputs=st.dictionaries(
        st.text(max_size=3), st.builds(Layout, st.integers(1, 99), st.integers(1, 9)), max_size=3
    ),
)
def test_any_configuration_is_judged(values: dict[str, str], layout: Layout, inputs: dict[str, Layout]) -> None:
    """Given any configuration and layout, when compared, then each line names its topic, the fatal ones first."""
    targets = Targets(TopicConfig.of(OUTPUT, values), TopicConfig.of(DLQ, values))

    found = topic_problems(targets, {OUTPUT: layout, DLQ: layout}, inputs, SETTINGS)

    assert [problem.is_fatal for problem in found] == sorted((problem.is_fatal for problem in found), reverse=True)
    assert {problem.text.split()[0] for problem in found} <= {OUTPUT, DLQ}
    assert any(problem.is_fatal for problem in found) >= targets.dlq.compacted
