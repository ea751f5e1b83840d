"""This project's consumer without a model; started by `programs.null`, set by SENTIMENT_ variables.

The rest is the host's work: read, decode, normalise, tokenise, plan, encode, write, commit.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

import numpy as np

from consumer import settings as consumer_settings
from consumer.events import to_all
from consumer.log_events import log_event
from consumer.monitoring.monitor import Monitor
from consumer.preflight.questions import Preflight
from consumer.service import consume
from consumer.signals import stop_on_signals
from shared.inference.engines.base import Answer
from shared.inference.scheduler import Scheduler
from shared.inference.scorer import BertScorer
from shared.logs import configure_logs, end_process, exit_with
from shared.model_folder.artifact import open_artifact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.engines.base import Ids


class NullEngine:
    """Takes `pass_ms` for 32 rows, as a GPU might, without the processor, and answers the same to all."""

    name = "none"
    device = "none"
    concurrency = 1
    batch_tokens = 32_768
    padding = None

    def __init__(self, labels: int, pass_ms: float = 0) -> None:
        self._labels = labels
        self._row_s = pass_ms / 1000 / 32

    def forward(self, rows: Sequence[Ids]) -> Answer:
        """Meaningless logits."""
        if self._row_s:
            time.sleep(self._row_s * len(rows))
        return Answer(np.zeros((len(rows), self._labels), np.float32), sum(map(len, rows)))


def main() -> None:
    """Runs until stopped, as `sentiment-consumer run` does."""
    settings = consumer_settings.load({})
    configure_logs(settings.log_level)
    stop = threading.Event()
    stop_on_signals(stop)
    artifact = open_artifact(settings.model_folder)
    scorer = BertScorer(artifact, NullEngine(len(artifact.manifest.labels), float(sys.argv[1])))
    preflight = Preflight(settings)
    monitor = None if settings.metrics.port is None else Monitor(settings)
    observer = log_event if monitor is None else to_all(log_event, monitor.observer)
    tracing = None
    if settings.tracing.enabled:
        from consumer.tracing.tracing import Tracing  # noqa: PLC0415 - as in `consumer.service`

        tracing = Tracing(settings)
        observer = to_all(observer, tracing.observer)
    consume(
        settings,
        partitions=preflight.partitions(),
        scoring=Scheduler(scorer, window=settings.limits.batch_records, cache=settings.cache, observer=observer),
        model_version=scorer.model.version,
        stop=stop,
        targets=preflight.targets(),
        observer=observer,
        monitor=monitor,
        trace_headers=None if tracing is None else tracing.headers,
    )


if __name__ == "__main__":
    exit_with(main, end_process)
