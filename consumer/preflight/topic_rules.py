"""What the topics written to will do to results and dead letters, by their configuration and layout. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumer.preflight.problem import Problem, change, duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consumer.preflight.topic_config import Layout, Targets, TopicConfig
    from consumer.settings import ConsumerSettings

DAY_MS: Final = 86_400_000
READER_AWAY_MS: Final = DAY_MS
"""Least time that results should be kept: a reader that fails in the evening is repaired the next day."""
LETTERS_WAIT_MS: Final = 3 * DAY_MS
"""Least time that dead letters should be kept: they wait for people, who have weekends."""
KEPT_RESULTS: Final = 1_000_000
"""Results that a partition with bounded bytes has room for, at least."""
RESULT_BYTES: Final = 400
"""Of a result of three labels without text, before the producer compresses it."""
LEAST_LETTER_BYTES: Final = 4_096
"""Bytes that any letter fits in without its value; also the least of `limits.max_output_bytes`."""
CLOSE_MS: Final = 120_000
"""A record may wait as long for its broker, or for clocks that differ."""
SAFE_REPLICAS: Final = 3
"""Replicas from which on `min.insync.replicas` can be 2 while a broker restarts."""


def topic_problems(
    targets: Targets, layouts: Mapping[str, Layout], inputs: Mapping[str, Layout], settings: ConsumerSettings
) -> list[Problem]:
    """What does not fit together, the fatal ones first. `layouts` has those of the targets, by name."""
    output, letters = targets
    found = [
        *_compacted_letters(letters),
        *_small(targets, settings.limits.max_output_bytes),
        *_output(output, settings),
        *_fewer_partitions(output, layouts[output.name], inputs),
        *_kept_letters(letters, settings.limits.dlq_in_a_row * settings.limits.max_record_bytes),
    ]
    for topic in targets:
        found += [*_replicas(topic, layouts[topic.name], inputs), *_clocks(topic)]
    return sorted(found, key=lambda problem: not problem.is_fatal)


def _compacted_letters(letters: TopicConfig) -> Iterator[Problem]:
    if letters.compacted:
        # Fatal: the first letter without a key ends the run, and of others only the last of a key is left.
        yield Problem(
            f"{letters.name} is compacted: it refuses dead letters without a key and deletes all but the last of "
            f"each key; {change(letters.name, 'cleanup.policy', 'delete')}",
            is_fatal=True,
        )


def _small(targets: Targets, max_output_bytes: int) -> Iterator[Problem]:
    for topic, what in (
        (targets.output, "larger results become dead letters"),
        (targets.dlq, "larger dead letters lose their values"),
    ):
        if topic.max_record_bytes >= max_output_bytes:
            continue
        is_fatal = topic is targets.dlq and topic.max_record_bytes < LEAST_LETTER_BYTES
        yield Problem(
            f"{topic.name} takes {topic.max_message_bytes:,} bytes at most and limits.max_output_bytes is "
            f"{max_output_bytes:,}: {'a dead letter may not fit at all' if is_fatal else what}; lower the limit, "
            f"or {change(topic.name, 'max.message.bytes', max_output_bytes + 1_000)}",
            is_fatal,
        )


def _output(output: TopicConfig, settings: ConsumerSettings) -> Iterator[Problem]:
    name = output.name
    # With on_null=forward the topic is meant as a table of the last result of each key.
    if output.compacted and settings.on_null != "forward":
        yield Problem(
            f"{name} is compacted: it deletes all but the last result of each key, and results without a key "
            f"become dead letters; {change(name, 'cleanup.policy', 'delete')}, or --on-null forward if that is "
            "meant"
        )
    if output.retention_ms is not None and output.retention_ms < READER_AWAY_MS:
        yield Problem(
            f"{name} deletes results after {duration(output.retention_ms)} (retention.ms): a reader that is away "
            f"for longer misses some; {change(name, 'retention.ms', 7 * DAY_MS)}"
        )
    if output.retention_bytes is not None and output.retention_bytes < KEPT_RESULTS * RESULT_BYTES:
        yield Problem(
            f"{name} keeps {output.retention_bytes:,} bytes of a partition (retention.bytes), about "
            f"{output.retention_bytes // RESULT_BYTES:,} results: a reader that is further behind misses some; "
            f"{change(name, 'retention.bytes', -1)}"
        )
    if output.stamped_by_broker and settings.timestamps == "input":
        yield Problem(
            f"{name} replaces the input's timestamps by the time of writing (LogAppendTime); "
            f"{change(name, 'message.timestamp.type', 'CreateTime')}, or --timestamps now"
        )


def _fewer_partitions(output: TopicConfig, layout: Layout, inputs: Mapping[str, Layout]) -> Iterator[Problem]:
    # Not for dead letters: there are few, and order per key is kept with fewer partitions too (decision 2).
    topic, most = max(inputs.items(), key=lambda item: item[1].partitions, default=("", layout))
    if layout.partitions < most.partitions:
        yield Problem(
            f"{output.name} has {layout.partitions} partition(s) and {topic} has {most.partitions}: readers share "
            f"the results among {layout.partitions} at most and cannot join them with the texts partition by "
            f"partition; kafka-topics --alter --topic {output.name} --partitions {most.partitions}, then restart "
            "all members"
        )


def _kept_letters(letters: TopicConfig, most_bytes: int) -> Iterator[Problem]:
    name = letters.name
    if letters.retention_ms is not None and letters.retention_ms < LETTERS_WAIT_MS:
        yield Problem(
            f"{name} deletes dead letters after {duration(letters.retention_ms)} (retention.ms), perhaps before "
            f"anybody has read them; {change(name, 'retention.ms', 14 * DAY_MS)}"
        )
    if letters.retention_bytes is not None and letters.retention_bytes < most_bytes:
        yield Problem(
            f"{name} keeps {letters.retention_bytes:,} bytes of a partition (retention.bytes): "
            f"limits.dlq_in_a_row letters of limits.max_record_bytes have {most_bytes:,}, so the first may be "
            f"deleted before the limit ends a run; {change(name, 'retention.bytes', -1)}"
        )


def _replicas(topic: TopicConfig, layout: Layout, inputs: Mapping[str, Layout]) -> Iterator[Problem]:
    name, replicas, least = topic.name, layout.replicas, topic.min_insync
    source, most = max(inputs.items(), key=lambda item: item[1].replicas, default=("", layout))
    if replicas < most.replicas:
        yield Problem(
            f"{name} has a replication factor of {replicas} and {source} of {most.replicas}: fewer brokers that "
            f"fail make it unwritable or lose it; kafka-reassign-partitions, or delete it and sentiment-consumer "
            f"topics create --replication {most.replicas}"
        )
    if least > replicas:
        # Acknowledged by Kafka 4.3.1, which bounds the setting by the replicas; with ZooKeeper it was not.
        yield Problem(
            f"{name} has a replication factor of {replicas} and min.insync.replicas={least}: with KRaft "
            f"{replicas} are enough, older clusters refuse each write; "
            f"{change(name, 'min.insync.replicas', max(1, replicas - 1))}"
        )
    elif least == replicas > 1:
        yield Problem(
            f"{name} needs all of its {replicas} replicas for a write (min.insync.replicas): one broker that "
            f"restarts stops the service; {change(name, 'min.insync.replicas', replicas - 1)}"
        )
    elif topic.known and least == 1 and replicas >= SAFE_REPLICAS:
        yield Problem(
            f"{name} acknowledges what one broker has (min.insync.replicas=1): if that one fails, committed "
            f"records are lost; {change(name, 'min.insync.replicas', 2)}"
        )
    if layout.in_sync < min(least, replicas):
        yield Problem(
            f"{name} has a partition with {layout.in_sync} of {replicas} replicas in sync and needs "
            f"{min(least, replicas)}: it takes no writes until brokers are back"
        )
    if topic.unclean_election:
        yield Problem(
            f"{name} may lose committed records when brokers fail (unclean.leader.election.enable); "
            f"{change(name, 'unclean.leader.election.enable', 'false')}"
        )


def _clocks(topic: TopicConfig) -> Iterator[Problem]:
    for side, bound_ms in (("before", topic.before_ms), ("after", topic.after_ms)):
        if bound_ms < CLOSE_MS:
            setting = f"message.timestamp.{side}.max.ms"
            yield Problem(
                f"{topic.name} refuses timestamps of more than {duration(bound_ms)} {side} its broker's clock: of "
                f"a record that waits, or if clocks differ; {change(topic.name, setting, 3_600_000)}"
            )
