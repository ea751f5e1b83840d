"""What the brokers' own configuration does to a run. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumer.preflight.problem import Problem, duration
from shared.kafka.transactions import TRANSACTION_TIMEOUT_MS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from consumer.preflight.topic_config import Layout
    from consumer.settings import ConsumerSettings

    Config = Mapping[str, str | None]

COMMITS: Final = "__consumer_offsets"
TRANSACTIONS: Final = "__transaction_state"
STOPPED_MS: Final = 86_400_000
"""Commits are kept for at least so long after a group has stopped: a service may be off for a night."""


def cluster_problems(
    brokers: int,
    topics: Collection[str],
    config: Config,
    layouts: Mapping[str, Layout],
    settings: ConsumerSettings,
) -> list[Problem]:
    """What will hurt, the fatal ones first.

    `topics` are all that the user may see, `layouts` those of the topics written to. `config` is that of one
    broker; what is not in it is not judged, as this takes the right DESCRIBE_CONFIGS on the cluster.
    """
    found = list(_internal_topic(COMMITS, "offsets.topic", brokers, topics, config))
    if settings.delivery == "exactly-once":
        found += _internal_topic(TRANSACTIONS, "transaction.state.log", brokers, topics, config)
        found += _short_transactions(config)
    if settings.auto_offset_reset != "none":
        found += _forgotten_commits(config)
    return [*found, *_created_by_itself(config, layouts)]


def _internal_topic(
    topic: str, prefix: str, brokers: int, topics: Collection[str], config: Config
) -> Iterator[Problem]:
    """Kafka creates its own topics at their first use, and only if there are as many brokers as replicas."""
    setting = f"{prefix}.replication.factor"
    replicas = int(config.get(setting) or 1)
    if topic in topics or replicas <= brokers:
        return
    what, remedy = "no offset can be committed", ""
    if topic == TRANSACTIONS:
        what = "no transaction can be begun"
        remedy = f" (and {prefix}.min.isr), or run with --delivery at-least-once"
    yield Problem(
        f"{what}: {setting} is {replicas} and there are {brokers} broker(s), so {topic} cannot be created; start "
        f"more brokers, or set it to {brokers} in their configuration{remedy}",
        is_fatal=True,
    )


def _short_transactions(config: Config) -> Iterator[Problem]:
    longest = config.get("transaction.max.timeout.ms")
    if longest is not None and int(longest) < TRANSACTION_TIMEOUT_MS:
        yield Problem(
            f"no transaction can be begun: the brokers allow {duration(int(longest))} and this service asks for "
            f"{duration(TRANSACTION_TIMEOUT_MS)}; raise transaction.max.timeout.ms in their configuration, or run "
            "with --delivery at-least-once",
            is_fatal=True,
        )


def _forgotten_commits(config: Config) -> Iterator[Problem]:
    minutes = config.get("offsets.retention.minutes")
    if minutes is not None and int(minutes) * 60_000 < STOPPED_MS:
        yield Problem(
            f"the brokers forget the commits of a group {duration(int(minutes) * 60_000)} after it has stopped, "
            "which then begins at --auto-offset-reset, repeating or skipping records; raise "
            "offsets.retention.minutes in their configuration, or run with --auto-offset-reset none"
        )


def _created_by_itself(config: Config, layouts: Mapping[str, Layout]) -> Iterator[Problem]:
    """A broker may create the topic that a producer asks for, with the brokers' defaults."""
    replicas = int(config.get("default.replication.factor") or 1)
    worse = [name for name, layout in layouts.items() if replicas < layout.replicas]
    if config.get("auto.create.topics.enable") == "true" and worse:
        yield Problem(
            f"if {' or '.join(worse)} is deleted during a run, the brokers create it anew with a replication "
            f"factor of {replicas}; set auto.create.topics.enable to false in their configuration, or raise "
            "default.replication.factor"
        )
