"""Processor time of each step that the consumer takes with a message, one step after the other in this process."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from confluent_kafka import Producer

from benchmarks.common.null_consumer import NullEngine
from benchmarks.common.streams import fresh_topics, produce, quiet
from consumer.kafka.sender import Sender
from consumer.kafka.source import KafkaSource
from consumer.preflight.questions import Preflight
from consumer.preflight.topic_config import Targets, TopicConfig
from consumer.settings import ConsumerSettings
from consumer.stream.decode import split
from consumer.stream.encode import Encoder, Moment
from consumer.stream.records import Outgoing
from shared.inference.batching import make_batches
from shared.inference.cache import ScoreCache, fingerprint
from shared.inference.scorer import BertScorer
from shared.inference.tokenization.rows import TokenRow
from shared.model_folder.artifact import open_artifact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from consumer.stream.records import Document, Record

CHUNK: Final = 512
"""Records per call of a step."""

T = TypeVar("T")


class CpuClock:
    """Adds up processor time of all threads of this process, by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Counts the block."""
        began = time.process_time()
        yield
        self.seconds[stage] += time.process_time() - began


def cpu_of_stages(servers: str, model: Path, texts: Sequence[str]) -> dict[str, float]:
    """Takes the texts from one topic to another; returns CPU seconds by stage, in their order."""
    artifact = open_artifact(model)
    scorer = BertScorer(artifact, NullEngine(len(artifact.manifest.labels)))
    clock = CpuClock()
    with fresh_topics(servers) as job:
        produce(Producer(quiet(servers)), job.source, texts)
        settings = ConsumerSettings.model_validate(
            {
                "kafka": {"bootstrap_servers": servers, "insecure": True},
                "group_id": job.group,
                "input_topics": job.source,
                "output_topic": job.target,
                "dlq_topic": job.letters,
            }
        )
        records = _read(settings, len(texts), clock)
        documents: list[Document] = []
        for chunk in _chunks(records):
            with clock("decode"):
                documents += split(chunk, settings.input_format)[0]
        _write(settings, _answers(documents, scorer, settings, clock), clock)
    return dict(clock.seconds)


def _read(settings: ConsumerSettings, count: int, clock: CpuClock) -> list[Record]:
    source = KafkaSource(settings)
    source.subscribe()
    records: list[Record] = []
    with clock("read"):
        while len(records) < count:
            source.begin(alone=True)
            records += source.read(CHUNK, settings.limits.read_wait_s)
    source.close(None)
    return records


def _answers(
    documents: Sequence[Document], scorer: BertScorer, settings: ConsumerSettings, clock: CpuClock
) -> list[Outgoing]:
    encoder = Encoder(
        model_version=scorer.model.version,
        include_text=settings.include_text,
        uncertain_below=settings.uncertain_below,
        max_unknown_share=settings.max_unknown_share,
        timestamps=settings.timestamps,
        on_null=settings.on_null,
        max_bytes=settings.limits.max_output_bytes,
        targets=Targets(TopicConfig(settings.output_topic), TopicConfig(settings.dlq_topic)),
    )
    cache = ScoreCache(settings.cache)
    outgoing: list[Outgoing] = []
    for chunk in _chunks(documents):
        with clock("normalise"):
            texts = [scorer.normalise(document.text) for document in chunk]
        with clock("look up"):
            cache.find([fingerprint(text) for text in texts])
        with clock("tokenise"):
            tokenised = scorer.tokenise(texts)
        rows = [row for row in tokenised if isinstance(row, TokenRow)]
        with clock("plan"):
            make_batches([len(row) for row in rows], scorer.batch_tokens, padding=scorer.padding)
        with clock("softmax"):
            scores = scorer.forward(rows)
        at = Moment.of(datetime.now(UTC))
        with clock("encode"):
            encoded = [
                encoder.result(document, score, at)
                for document, score in zip(chunk, scores, strict=True)
                if score is not None
            ]
        outgoing += [one for one in encoded if isinstance(one, Outgoing)]
    if len(outgoing) != len(documents):
        raise AssertionError(f"{len(outgoing)} results of {len(documents)} texts")
    return outgoing


def _write(settings: ConsumerSettings, outgoing: Sequence[Outgoing], clock: CpuClock) -> None:
    sender = Sender(settings, Preflight(settings).partitions(), transactional=False)
    with clock("produce"):
        for chunk in _chunks(outgoing):
            sender.send(chunk, ())
            sender.flush()
    sender.close()


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
