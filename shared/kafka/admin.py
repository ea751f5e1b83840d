"""Metadata requests about the cluster and its topics; calls block."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException

from shared.errors import KafkaRefused, KafkaStateError
from shared.kafka.errors import CONNECT_TIMEOUT_S, HOPELESS, explain, is_denied

if TYPE_CHECKING:
    from collections.abc import Iterable

    from confluent_kafka import Consumer
    from confluent_kafka.admin import AdminClient, ClusterMetadata

    from shared.kafka.errors import ClientErrors

REQUEST_S: Final = 10.0
"""Timeout of one request of an admin client."""


def cluster_metadata(
    client: Consumer | AdminClient, errors: ClientErrors, servers: str, topic: str | None = None
) -> ClusterMetadata:
    """Requests the metadata of one topic, or of all that the user may see, within CONNECT_TIMEOUT_S.

    Raises an explained error. A request for one topic by name may create it, unless `client` is a Consumer.
    """
    deadline = time.monotonic() + CONNECT_TIMEOUT_S
    while True:
        try:
            # In short tries: what no retry fixes, such as a refused login, then ends the wait at the next poll.
            return client.list_topics(topic=topic, timeout=CONNECT_TIMEOUT_S / 4)
        except KafkaException as error:
            client.poll(0)  # the client calls `errors` only inside of poll
            reason = errors.cause(error.args[0])
            if reason.code() in HOPELESS or time.monotonic() >= deadline:
                raise explain(reason, servers) from None


def require_topics(metadata: ClusterMetadata, names: Iterable[str]) -> dict[str, int]:
    """Counts the partitions of each topic; raises KafkaStateError for one that does not exist.

    Raises KafkaRefused if the broker denies this user a topic.
    """
    found = metadata.topics
    # librdkafka lists a topic that was asked for by name and is missing, with an error and without partitions.
    missing = [name for name in names if name not in found or not found[name].partitions]
    hidden = [name for name in missing if name in found and is_denied(found[name].error)]
    if hidden:
        raise KafkaRefused(
            f"Kafka denies READ or WRITE on topic {', '.join(hidden)}; ask the cluster's owner for this right"
        )
    if missing:
        raise KafkaStateError(
            f"no such topic: {', '.join(missing)}; correct the name, or run sentiment-consumer topics create"
        )
    return {name: len(found[name].partitions) for name in names}
