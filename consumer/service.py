"""Wires the parts of `run` by hand and tells how the run ended."""

from __future__ import annotations

import gc
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import structlog

from consumer.dlq.limit import DeadLetterLimit
from consumer.drift import with_drift
from consumer.events import to_all
from consumer.http.start import http_beside, start_scoring
from consumer.http.state import ServiceState
from consumer.kafka.outbox import AtLeastOnceOutbox, ExactlyOnceOutbox
from consumer.kafka.sender import Sender
from consumer.kafka.source import KafkaSource
from consumer.log_events import log_event
from consumer.monitoring.start import start_monitor
from consumer.preflight.first_records import FirstRecordsWatch
from consumer.preflight.problem import require_fit
from consumer.preflight.questions import Preflight
from consumer.signals import ending_within_grace
from consumer.stall_watchdog import StallWatchdog
from consumer.stream.encode import Encoder
from consumer.stream.pipeline import Pipeline, Totals
from consumer.stream.quarantine import Quarantine
from consumer.stream.recovery import Refusals
from consumer.tracing.start import start_tracing
from shared import __version__
from shared.errors import RecoveriesExhausted, ScorerError, SentimentError, TooManyDeadLetters
from shared.model_folder.artifact import open_artifact
from shared.settings import effective

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from consumer.events import Observer
    from consumer.kafka.commit_metadata import CommitMetadata
    from consumer.monitoring.monitor import Monitor
    from consumer.preflight.topic_config import Targets
    from consumer.settings import ConsumerSettings
    from consumer.signals import StopSignal
    from consumer.stream.records import Outbox, Record
    from shared.inference.scheduler import Scheduler
    from shared.messages import Headers

log = structlog.get_logger()

FLUSH_S: Final = 2.0
"""For the last spans. An exporter that answers takes milliseconds; one that is away is not waited for."""


def serve(settings: ConsumerSettings, stop: StopSignal, observer: Observer = log_event) -> None:
    """Runs the consumer until it is done or `stop` is set; raises SentimentError for what ends a run early.

    Cheap checks come first: nothing is loaded for a broker that does not answer.
    """
    log.info("starting", version=__version__, **effective(settings))
    monitor = start_monitor(settings)
    tracing = start_tracing(settings)
    state = ServiceState(stop, needs_group=True)
    # Traces behind the log, whose line of a publish names its trace.
    observer = to_all(observer, *(part.observer for part in (monitor, tracing) if part), state.observe)
    folder = settings.model_folder
    preflight = Preflight(settings)
    preflight.rights()
    partitions = preflight.partitions()
    for pattern in preflight.unmatched():
        log.warning("waiting_for_topic", pattern=pattern)
    targets = preflight.targets()
    require_fit([*preflight.topic_problems(targets), *preflight.cluster_problems(preflight.cluster_config())])
    with http_beside(settings, state, observer, stop):
        artifact = open_artifact(folder)  # only here, since a folder may be replaced while Kafka is asked
        scoring = start_scoring(settings, artifact, state, observer, monitor)
        observer = with_drift(observer, artifact, settings.drift)
        try:
            totals = consume(
                settings,
                partitions=partitions,
                scoring=scoring,
                model_version=artifact.version,
                stop=stop,
                targets=targets,
                observer=observer,
                monitor=monitor,
                state=state,
                trace_headers=None if tracing is None else tracing.headers,
            )
        finally:
            if tracing is not None:
                tracing.close(min(FLUSH_S, stop.left_s))
        log.info("stopped", **asdict(totals))
        # Before HTTP has stopped, which takes up to 8 of the 9 s of GRACE_S: the scrape might come too late.
        if monitor is not None:
            monitor.close(stop.left_s)
    scoring.close(timeout_s=1.0)


def consume(
    settings: ConsumerSettings,
    *,
    partitions: Mapping[str, int],
    scoring: Scheduler,
    model_version: str,
    stop: threading.Event,
    targets: Targets,
    observer: Observer = log_event,
    monitor: Monitor | None = None,
    state: ServiceState | None = None,
    trace_headers: Callable[[Record], Headers] | None = None,
) -> Totals:
    """Joins the group and carries messages until done; always leaves the group.

    What the process holds by now is not looked through for garbage again: with torch that takes 0.1 s, in which
    no thread does anything else.
    """
    gc.collect()
    gc.freeze()
    source = KafkaSource(settings, observer)
    if monitor is not None:
        monitor.watch_partitions(source.ends)
    sender = Sender(
        settings,
        partitions,
        transactional=settings.delivery == "exactly-once",
        max_batch_bytes=targets.max_batch_bytes(settings.limits.max_output_bytes),
    )
    outbox: Outbox = (
        ExactlyOnceOutbox(sender, source.group_metadata, observer)
        if settings.delivery == "exactly-once"
        else AtLeastOnceOutbox(sender, source.commit, observer)
    )
    watchdog = StallWatchdog(settings.limits.stall_timeout_s, work=scoring.work)
    state = state or ServiceState(stop, needs_group=True)
    state.is_stalled = lambda: watchdog.is_stalled
    state.is_isolating = lambda: source.crash_loop.has_suspects
    limit = DeadLetterLimit(settings.limits)

    def heartbeat() -> None:
        watchdog.heartbeat()
        state.check()

    pipeline = Pipeline(
        source=source,
        quarantine=Quarantine(source.crash_loop, reach=settings.limits.most_in_hand),
        scoring=scoring,
        outbox=outbox,
        encoder=Encoder(
            model_version=model_version,
            include_text=settings.include_text,
            uncertain_below=settings.uncertain_below,
            max_unknown_share=settings.max_unknown_share,
            timestamps=settings.timestamps,
            on_null=settings.on_null,
            max_bytes=settings.limits.max_output_bytes,
            targets=targets,
            trace_headers=trace_headers,
        ),
        refusals=Refusals(targets),
        input_format=settings.input_format,
        limits=settings.limits,
        dead_letter_limit=limit,
        stop=stop,
        until_idle_s=settings.until_idle_s,
        max_records=settings.max_messages,
        inspect=FirstRecordsWatch(targets.output, own_time=settings.timestamps == "input"),
        observer=observer,
        heartbeat=heartbeat,
    )
    source.subscribe()
    mark: Callable[[CommitMetadata], CommitMetadata] | None = None
    try:
        with watchdog:
            totals = pipeline.run()
        mark = _unchanged
    except SentimentError as error:
        # What a text may have caused says nothing: the device failed, or nobody foresaw it.
        if not isinstance(error, ScorerError):
            mark = limit.into if isinstance(error, TooManyDeadLetters) else _unchanged
        raise
    finally:
        with ending_within_grace(RecoveriesExhausted.exit_code):  # closing may hang when no broker answers
            outbox.close()
            source.close(mark)
    return totals


def _unchanged(metadata: CommitMetadata) -> CommitMetadata:
    return metadata
