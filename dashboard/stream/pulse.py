"""Asks every few seconds what does not come with the results: the group's lag and the consumers' metrics."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from dashboard.threads import start_guarded
from shared.errors import SentimentError
from shared.http.scrape import NoAnswer, parse_target, scrape_all
from shared.kafka.live.group_lag import GroupLag
from shared.kafka.reader import TopicReader

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from dashboard.settings import DashboardEnvironment
    from dashboard.stream.status import Status
    from dashboard.window.window import Window
    from shared.http.scrape import Snapshot

EVERY_S: Final = 5.0
COUNTED: Final = {
    "rebalances": "sentiment_rebalances_total",
    "recoveries": "sentiment_recoveries_total",
    "crash_loops": "sentiment_crash_loops_total",
}
"""Figures of the page, and the counters they are the sum of."""
_DRIFT: Final = "sentiment_drift_alarm"


class Pulse:
    """A thread that writes into the status."""

    def __init__(
        self, settings: DashboardEnvironment, window: Window, status: Status, stop: threading.Event
    ) -> None:
        self._settings = settings
        self._window = window
        self._status = status
        self._stop = stop
        self._targets = [parse_target(url) for url in settings.dashboard.metrics_urls]

    def start(self) -> threading.Thread:
        """Begins to ask."""
        return start_guarded(self._run, "pulse")

    def _run(self) -> None:
        with (
            closing(GroupLag(self._settings.kafka, self._settings.group_id, "sentiment-dashboard-lag")) as group,
            TopicReader(self._settings.kafka, "sentiment-dashboard-ends", ahead_kib=64) as reader,
        ):
            while not self._stop.is_set():
                self._status.lag = self._lag(group, reader)
                if self._targets:
                    self._status.metrics = figures(scrape_all(self._targets, self._token()))
                self._stop.wait(EVERY_S)

    def _lag(self, group: GroupLag, reader: TopicReader) -> dict[str, Any] | None:
        """The lag on the input topics that results have come from; None for a group that has committed nothing."""
        try:
            lags = group.lags(reader, self._window.input_topics())
        except SentimentError as error:
            return {"why": str(error)}
        if not lags:
            return None
        worst = max(lags, key=lags.__getitem__)
        return {
            "group": self._settings.group_id,
            "records": sum(lags.values()),
            "partitions": len(lags),
            "worst": f"{worst.topic}-{worst.number}",
            "worst_records": lags[worst],
        }

    def _token(self) -> str | None:
        token = self._settings.dashboard.metrics_token
        return None if token is None else token.get_secret_value()


def figures(answers: Sequence[Snapshot | NoAnswer]) -> dict[str, Any]:
    """The figures of all processes that answer, summed; drift by feature, where any process has it."""
    found = [one for one in answers if not isinstance(one, NoAnswer)]
    drift: dict[str, bool] = {}
    for one in found:
        for labels, value in one.samples.get(_DRIFT, {}).items():
            feature = dict(labels).get("feature", "")[:50]
            drift[feature] = drift.get(feature, False) or value > 0
    return {
        "processes": len(answers),
        "answering": len(found),
        **{
            name: sum(sum(one.samples.get(metric, {}).values()) for one in found)
            for name, metric in COUNTED.items()
        },
        "drift": drift or None,
    }
