"""Wires the parts of `run` by hand and tells how the run ended."""

from __future__ import annotations

import gc
from dataclasses import asdict
from typing import TYPE_CHECKING

import structlog

from consumer.encode import Encoder
from consumer.outbox import AtLeastOnceOutbox, ExactlyOnceOutbox
from consumer.pipeline import Pipeline, Totals
from consumer.preflight import Preflight, RetentionWatch
from consumer.scoring import Scoring
from consumer.sender import Sender
from consumer.signals import ending_within_grace
from consumer.source import KafkaSource
from consumer.standstill import StandstillWatch
from shared import __version__
from shared.artifact import open_artifact
from shared.errors import RecoveriesExhausted
from shared.messages import ModelRef
from shared.settings import effective

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

    from consumer.records import Outbox, Record
    from consumer.settings import ConsumerSettings

log = structlog.get_logger()


def serve(settings: ConsumerSettings, stop: threading.Event) -> bool:
    """Runs the consumer until it is done or `stop` is set.

    Returns False when the scorer had to be left inside a pass; raises SentimentError for what ends a
    run early. Cheap checks come first: nothing is loaded for a broker that does not answer.
    """
    from consumer.scorer.choose import load_scorer  # noqa: PLC0415 - `consume` does without torch

    log.info("starting", version=__version__, **effective(settings))
    folder = settings.model_folder
    preflight = Preflight(settings)
    preflight.rights()
    partitions = preflight.partitions()
    watch = RetentionWatch(settings.output_topic, preflight.output_config())
    artifact = open_artifact(folder)  # only here, since a folder may be replaced while Kafka is asked
    scorer = load_scorer(artifact, settings.device, settings.precision)
    scoring = Scoring(
        scorer,
        window=settings.limits.batch_records,
        batch_tokens=settings.limits.batch_tokens,
        cache=settings.cache,
    )
    log.info("model_ready", **scorer.describe())
    model = ModelRef(name=artifact.manifest.name, version=artifact.version)
    totals = consume(
        settings,
        partitions=partitions,
        scoring=scoring,
        labels=scorer.labels,
        model=model,
        stop=stop,
        observe=watch if settings.timestamps == "input" else None,
    )
    log.info("stopped", **asdict(totals))
    return scoring.close(timeout_s=1.0)


def consume(
    settings: ConsumerSettings,
    *,
    partitions: Mapping[str, int],
    scoring: Scoring,
    labels: tuple[str, ...],
    model: ModelRef,
    stop: threading.Event,
    observe: Callable[[Sequence[Record]], None] | None,
) -> Totals:
    """Joins the group and carries messages until done; always leaves the group. `observe` sees what is read.

    What the process holds by now is not looked through for garbage again: with torch that takes 0.1 s, in which
    no thread does anything else.
    """
    gc.collect()
    gc.freeze()
    source = KafkaSource(settings)
    sender = Sender(settings, partitions, transactional=settings.delivery == "exactly-once")
    outbox: Outbox = (
        ExactlyOnceOutbox(sender, source.group_metadata)
        if settings.delivery == "exactly-once"
        else AtLeastOnceOutbox(sender, source.commit)
    )
    watch = StandstillWatch(settings.limits.stall_timeout_s)
    pipeline = Pipeline(
        source=source,
        scoring=scoring,
        outbox=outbox,
        encoder=Encoder(
            labels=labels,
            model=model,
            include_text=settings.include_text,
            uncertain_below=settings.uncertain_below,
            timestamps=settings.timestamps,
            max_bytes=settings.limits.max_output_bytes,
        ),
        input_format=settings.input_format,
        limits=settings.limits,
        stop=stop,
        until_idle_s=settings.until_idle_s,
        max_records=settings.max_messages,
        observe=observe,
        turned=watch.turned,
    )
    source.subscribe()
    try:
        with watch:
            return pipeline.run()
    finally:
        with ending_within_grace(RecoveriesExhausted.exit_code):  # closing may hang when no broker answers
            source.close()
            outbox.close()
