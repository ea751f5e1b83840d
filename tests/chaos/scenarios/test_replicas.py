"""What `check` says of replicas on three brokers, with all of them and while one is away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from confluent_kafka.admin import AdminClient, NewTopic

from consumer.preflight.questions import Preflight
from consumer.settings import ConsumerSettings
from shared.kafka.settings import KafkaSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.chaos.brokers.cluster import Cluster

TIMEOUT_S: Final = 60.0
AWAY: Final = 2
"""The node that is killed."""


def test_replicas_are_compared_with_the_input_and_with_what_is_in_sync(cluster: Cluster) -> None:
    """Given topics of few replicas, when compared, then each has its line, and one more while a broker is away."""
    name = uuid4().hex[:8]
    texts, sentiments, letters = f"texts-{name}", f"sentiments-{name}", f"letters-{name}"
    with AdminClient({"bootstrap.servers": cluster.direct}) as admin:
        created = admin.create_topics(
            [
                NewTopic(texts, 1, 3),
                NewTopic(sentiments, 1, replica_assignment=[[0]], config={"min.insync.replicas": "1"}),
                NewTopic(letters, 1, 3, config={"min.insync.replicas": "3"}),
            ]
        )
        for future in created.values():
            future.result(TIMEOUT_S)
    asked = Preflight(
        ConsumerSettings(
            kafka=KafkaSettings(bootstrap_servers=cluster.direct),
            input_topics=(texts,),
            output_topic=sentiments,
            dlq_topic=letters,
        )
    )
    few = f"{sentiments} has a replication factor of 1 and {texts} of 3"
    strict = f"{letters} needs all of its 3 replicas"

    await_lines(asked, [few, strict])
    assert asked.cluster_problems(asked.cluster_config()) == []
    cluster.kill(AWAY)
    try:
        await_lines(asked, [few, strict, f"{letters} has a partition with 2 of 3 replicas in sync and needs 3"])
    finally:
        cluster.start(AWAY)
    await_lines(asked, [few, strict])


def await_lines(asked: Preflight, expected: Sequence[str]) -> None:
    """Returns once the lines about topics begin so; replicas leave and come back within seconds."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        found = [problem.text for problem in asked.topic_problems(asked.targets())]
        if len(found) == len(expected) and all(map(str.startswith, found, expected)):
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
