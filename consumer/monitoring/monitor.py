"""Wires the metrics of one process: values, observer, lag, GPU and server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.monitoring.gpu import gpu_of
from consumer.monitoring.lag import InHand, Lag
from consumer.monitoring.listener import MetricsListener
from consumer.monitoring.server import MetricsServer
from consumer.monitoring.values import Values
from shared.kafka.reader import Partition, TopicReader

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from consumer.events import Observer
    from consumer.kafka.commit_metadata import Place
    from consumer.settings import ConsumerSettings
    from shared.kafka.settings import KafkaSettings

AHEAD_KIB = 64
"""What a look at one record may fetch; a broker answers with one whole batch at least."""


class Monitor:
    """The metrics of one process, served from now on. Raises SettingsError for an address that is taken."""

    def __init__(self, settings: ConsumerSettings) -> None:
        self._kafka = settings.kafka
        self._values = Values()
        self._in_hand = InHand()
        self.observer: Observer = MetricsListener(self._values, self._in_hand)
        self._server = MetricsServer(settings.metrics, self._values)

    def watch_partitions(self, ends: Callable[[Collection[Place], float], Mapping[Place, int]]) -> None:
        """Adds the lag to each scrape; `ends` as for `Lag`."""
        self._values.at_scrape(Lag(self._in_hand, ends, _Timestamps(self._kafka)))

    def watch_gpu(self, uuid: str | None) -> None:
        """Adds the figures of a GPU to each scrape, if there is one."""
        if (gpu := gpu_of(uuid)) is not None:
            self._values.at_scrape(gpu)

    def close(self, within_s: float) -> None:
        """Lets a scrape that is due take the final counts."""
        self._server.await_scrape(within_s)


class _Timestamps:
    """Timestamps of records that are read for nothing else, by a client that is made when it is first needed."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._reader: TopicReader | None = None

    def __call__(self, place: Place, offset: int, within_s: float) -> int | None:
        if self._reader is None:
            self._reader = TopicReader(self._kafka, "sentiment-lag", ahead_kib=AHEAD_KIB)
        message = self._reader.record_from(Partition(*place), offset, within_s)
        if message is None:
            return None
        stamp: int = message.timestamp()[1]
        return stamp
