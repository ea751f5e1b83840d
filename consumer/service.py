"""Wires the parts of `run` by hand and tells how the run ended."""

from __future__ import annotations

import gc
from dataclasses import asdict
from typing import TYPE_CHECKING

import structlog

from consumer.dlq.limit import DeadLetterLimit
from consumer.drift import with_drift
from consumer.events import ModelLoaded
from consumer.kafka.outbox import AtLeastOnceOutbox, ExactlyOnceOutbox
from consumer.kafka.sender import Sender
from consumer.kafka.source import KafkaSource
from consumer.log_events import log_event
from consumer.preflight.first_records import FirstRecordsWatch
from consumer.preflight.problem import require_fit
from consumer.preflight.questions import Preflight
from consumer.signals import ending_within_grace
from consumer.stall_watchdog import StallWatchdog
from consumer.stream.encode import Encoder
from consumer.stream.pipeline import Pipeline, Totals
from consumer.stream.quarantine import Quarantine
from consumer.stream.recovery import Refusals
from shared import __version__
from shared.errors import RecoveriesExhausted, ScorerError, SentimentError, TooManyDeadLetters
from shared.inference.scheduler import Scheduler
from shared.model_folder.artifact import open_artifact
from shared.settings import effective

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from consumer.events import Observer
    from consumer.kafka.commit_metadata import CommitMetadata
    from consumer.preflight.topic_config import Targets
    from consumer.settings import ConsumerSettings
    from consumer.stream.records import Outbox

log = structlog.get_logger()


def serve(settings: ConsumerSettings, stop: threading.Event, observer: Observer = log_event) -> None:
    """Runs the consumer until it is done or `stop` is set; raises SentimentError for what ends a run early.

    Cheap checks come first: nothing is loaded for a broker that does not answer.
    """
    from shared.inference.engines.select import load_scorer  # noqa: PLC0415 - `consume` does without torch

    log.info("starting", version=__version__, **effective(settings))
    folder = settings.model_folder
    preflight = Preflight(settings)
    preflight.rights()
    partitions = preflight.partitions()
    for pattern in preflight.unmatched():
        log.warning("waiting_for_topic", pattern=pattern)
    targets = preflight.targets()
    require_fit([*preflight.topic_problems(targets), *preflight.cluster_problems(preflight.cluster_config())])
    artifact = open_artifact(folder)  # only here, since a folder may be replaced while Kafka is asked
    scorer = load_scorer(artifact, settings.device, settings.precision)
    scoring = Scheduler(
        scorer,
        window=settings.limits.batch_records,
        batch_tokens=settings.limits.batch_tokens,
        cache=settings.cache,
        observer=observer,
    )
    observer(ModelLoaded(**scorer.describe()))
    observer = with_drift(observer, artifact, settings.drift)
    totals = consume(
        settings,
        partitions=partitions,
        scoring=scoring,
        model_version=scorer.model.version,
        stop=stop,
        targets=targets,
        observer=observer,
    )
    log.info("stopped", **asdict(totals))
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
) -> Totals:
    """Joins the group and carries messages until done; always leaves the group.

    What the process holds by now is not looked through for garbage again: with torch that takes 0.1 s, in which
    no thread does anything else.
    """
    gc.collect()
    gc.freeze()
    source = KafkaSource(settings, observer)
    sender = Sender(
        settings,
        partitions,
        transactional=settings.delivery == "exactly-once",
        max_batch_bytes=targets.max_batch_bytes(settings.limits.max_output_bytes),
    )
    outbox: Outbox = (
        ExactlyOnceOutbox(sender, source.group_metadata)
        if settings.delivery == "exactly-once"
        else AtLeastOnceOutbox(sender, source.commit)
    )
    watchdog = StallWatchdog(settings.limits.stall_timeout_s, work=scoring.work)
    limit = DeadLetterLimit(settings.limits)
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
        heartbeat=watchdog.heartbeat,
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
