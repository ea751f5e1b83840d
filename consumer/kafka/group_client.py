"""How this member of the group speaks to Kafka: the client's properties, and which rights it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaError

from shared.kafka.client import RECONNECT_MS, client_config
from shared.kafka.errors import DENIED, ClientErrors, explain
from shared.kafka.properties import SESSION_MS

if TYPE_CHECKING:
    from typing import Any

    from consumer.settings import ConsumerSettings
    from shared.errors import SentimentError

REFRESH_MS: Final = 5_000
"""How often the client asks for topics, so how soon it finds one that a pattern matches; a rebalance follows.

With the client's default nobody reads a new topic for 5 minutes. With a pattern, in the classic protocol, the
answer lists the whole cluster: 6.6 kB for 88 topics with 103 partitions, measured.
"""
MIN_FETCH_BYTES: Final = 2**20
"""A request that is to bring less than this from all partitions costs throughput."""

_PROTOCOLS: Final[dict[str, dict[str, str | int | float | bool]]] = {
    "classic": {
        "group.protocol": "classic",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": SESSION_MS,
    },
    "consumer": {"group.protocol": "consumer"},
}


def group_client_config(settings: ConsumerSettings, errors: ClientErrors) -> dict[str, Any]:
    """Properties of the group's consumer; `errors` collects what the client reports outside of any call."""
    return client_config(
        settings.kafka,
        errors,
        {
            "client.id": settings.consumer_client_id,
            "group.id": settings.group_id,
            **_PROTOCOLS[settings.group_protocol],
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            # Where to begin is decided in `KafkaSource.begin`, so that an offset lost to retention halts loudly.
            "auto.offset.reset": "error",
            "check.crcs": True,
            "topic.metadata.refresh.interval.ms": REFRESH_MS,
            "socket.timeout.ms": 30_000,
            "reconnect.backoff.max.ms": RECONNECT_MS,
            # What the client holds in addition to the batches in hand: a quarter as much, fetched in as large
            # requests.
            "queued.max.messages.kbytes": max(1, settings.limits.inflight_bytes // 4 // 1024),
            "fetch.max.bytes": max(MIN_FETCH_BYTES, settings.limits.inflight_bytes // 4),
        },
    )


@dataclass(frozen=True, slots=True)
class Rights:
    """What the group needs to be allowed, for errors that say it."""

    servers: str
    group: str
    topics: tuple[str, ...]

    def explained(self, error: KafkaError, topic: str | None) -> SentimentError:
        """The error with what to do; `topic`: where it came from, if known."""
        rights = {
            KafkaError.TOPIC_AUTHORIZATION_FAILED: f"READ on topic {topic or ', '.join(self.topics)}",
            KafkaError.GROUP_AUTHORIZATION_FAILED: f"READ on group {self.group}",
        }
        return explain(error, self.servers, rights)

    def end_if_denied(self, error: KafkaError, topic: str | None = None) -> None:
        """Raises KafkaRefused for a right that was taken away, which no recovery brings back."""
        if error.code() in DENIED:
            raise self.explained(error, topic) from None
