"""The topics that a pattern covers by our rules are those that Kafka gives a member, in either group protocol."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import NewTopic

from shared.kafka.patterns import check_pattern, matches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka.admin import AdminClient

    from sentiment_testing.kafka import Broker

DEADLINE_S: Final = 60.0
NAMES: Final = ("-a", "-ab", ".a", "-b-v12", "-A_1")
"""The topics' names after their tag."""
READ_ALIKE: Final = (
    "^{tag}-.*",
    "^{tag}-a$",
    r"^{tag}\.a$",
    "^{tag}.a.*",
    "^{tag}-(a|b)(-v[0-9]+)?$",
    "^{tag}-[A-Z]_[0-9]{{1}}$",
    "^{tag}[^.]a?b*$",
)
READ_DIFFERENTLY: Final = (
    ("^{tag}-a", {"-a", "-ab"}, {"-a"}),
    ("^{tag}-a$|b$", {"-a", "-ab"}, {"-a"}),
)
"""Refused patterns, with the interpretations of `classic` and `consumer`."""


@pytest.fixture(scope="module")
def tag(kafka_admin: AdminClient) -> Iterator[str]:
    """The prefix of the names of this module's topics."""
    found = f"z{uuid4().hex[:8]}"
    names = [f"{found}{name}" for name in NAMES]
    for created in kafka_admin.create_topics([NewTopic(name, 1) for name in names]).values():
        created.result()
    yield found
    for deleted in kafka_admin.delete_topics(names).values():
        deleted.exception()


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_pattern_covers_what_kafka_assigns(protocol: str, kafka: Broker, tag: str) -> None:
    """Given accepted and refused patterns, then the accepted ones give what `matches` says in either protocol."""
    wanted: dict[str, set[str]] = {}
    for template in READ_ALIKE:
        pattern = template.format(tag=tag)
        check_pattern(pattern)
        wanted[pattern] = {f"{tag}{name}" for name in NAMES if matches(pattern, f"{tag}{name}")}
    for template, classic, consumer in READ_DIFFERENTLY:
        pattern = template.format(tag=tag)
        with pytest.raises(ValueError, match="group_protocol classic"):
            check_pattern(pattern)
        wanted[pattern] = {f"{tag}{name}" for name in (classic if protocol == "classic" else consumer)}
    assert all(wanted.values())

    assert assigned(kafka, protocol, tag, wanted) == wanted


def assigned(kafka: Broker, protocol: str, tag: str, wanted: dict[str, set[str]]) -> dict[str, set[str]]:
    """The topics of the tag that a member of a group of its own gets for each pattern, once they are as wanted."""
    found: dict[str, set[str]] = {}
    with ExitStack() as stack:
        members = {}
        for pattern in wanted:
            members[pattern] = stack.enter_context(closing(member(kafka, protocol)))
            members[pattern].subscribe([pattern])
        deadline = time.monotonic() + DEADLINE_S
        while found != wanted and time.monotonic() < deadline:
            for pattern, one in members.items():
                one.poll(0.05)
                found[pattern] = {
                    partition.topic for partition in one.assignment() if partition.topic.startswith(tag)
                }
    return found


def member(kafka: Broker, protocol: str) -> Consumer:
    """A bare client, since the test compares librdkafka and the broker."""
    return Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": uuid4().hex,
            "group.protocol": protocol,
            "log_level": 0,
        }
    )
