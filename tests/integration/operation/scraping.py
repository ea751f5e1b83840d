"""A scraper as Prometheus is one: it asks each process at an interval and keeps the last answer of each."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from tests.integration.background import Background
from tests.support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

INTERVAL_S: Final = 0.5
TIMEOUT_S: Final = 60.0
Series = tuple[str, tuple[tuple[str, str], ...]]
"""Name and sorted labels."""


def scrape(port: int) -> dict[Series, float]:
    """The metrics of one process now; raises OSError where it does not answer."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def lags(series: Mapping[Series, float], metric: str) -> dict[int, float]:
    """The values of a lag metric by the number of the partition."""
    return {int(dict(labels)["partition"]): value for (name, labels), value in series.items() if name == metric}


class Scraper(Background):
    """Scrapes processes in the background while it is entered."""

    def __init__(self) -> None:
        super().__init__(INTERVAL_S)
        self.last: dict[int, dict[Series, float]] = {}
        """The last answer of each port."""
        self.began: dict[int, float] = {}
        """When that was asked for, in seconds since 1970."""
        self.ports: list[int] = []
        """In the order they were added."""

    def add(self) -> int:
        """A port to scrape from now on, for a process that is about to start."""
        port = free_port()
        self.ports.append(port)
        return port

    def await_count(self, port: int, series: Series) -> None:
        """Returns once a scrape of the process has seen that it counted something."""
        deadline = time.monotonic() + TIMEOUT_S
        while not self.last.get(port, {}).get(series):
            if time.monotonic() > deadline:
                raise TimeoutError(f"port {port} has counted nothing as {series} after {TIMEOUT_S:.0f} s")
            time.sleep(INTERVAL_S / 5)

    def sums(self, metric: str, label: str) -> Counter[str]:
        """The sum over all processes by the value of one label, without zeros."""
        found: Counter[str] = Counter()
        for series in self.last.values():
            for (name, labels), value in series.items():
                if name == metric:
                    found[dict(labels)[label]] += int(value)
        return +found

    def total(self, metric: str) -> int:
        """The sum over all processes and series."""
        return int(sum(v for series in self.last.values() for (name, _), v in series.items() if name == metric))

    def step(self) -> None:
        """Asks each process once."""
        for port in list(self.ports):
            began = time.time()
            try:
                self.last[port] = scrape(port)
                self.began[port] = began
            except OSError:  # not started yet, or ended
                continue
