"""The observer that counts: each event becomes increments of the metrics, all at once for a scrape."""

from __future__ import annotations

import platform
import time
from collections import Counter
from importlib.metadata import version
from operator import attrgetter, getitem
from typing import TYPE_CHECKING, assert_never

import numpy as np

from consumer import metrics
from consumer.events import (
    BatchDropped,
    BatchPublished,
    BatchSubmitted,
    BatchUncommitted,
    CrashLoopFound,
    DriftMeasured,
    ModelLoaded,
    OffsetsCommitted,
    OutputWritten,
    PartitionsAssigned,
    PartitionsBegun,
    PartitionsRevoked,
    Recovering,
    RequestAnswered,
    TransactionChanged,
)
from shared import __version__
from shared.inference.types import BatchIsolated, PassRun, TextsTokenised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from consumer.events import Event, Position
    from consumer.monitoring.lag import InHand
    from consumer.monitoring.values import Values
    from shared.inference.types import ModelIdentity, Score

RareEvent = (
    ModelLoaded
    | PartitionsAssigned
    | PartitionsRevoked
    | PartitionsBegun
    | BatchUncommitted
    | Recovering
    | BatchIsolated
    | CrashLoopFound
    | DriftMeasured
)

_TIMESTAMP = attrgetter("timestamp_ms")
_LABEL = attrgetter("label")
_PROBABILITIES = attrgetter("probabilities")
_MODEL = attrgetter("model")
_TRUNCATED = attrgetter("truncated")
_SEGMENTS = attrgetter("segments")


class MetricsListener:
    """An observer. Takes 0.25 us a message, of 32 that the host takes for it in all (null scorer)."""

    def __init__(self, values: Values, in_hand: InHand, *, clock: Callable[[], float] = time.time) -> None:
        self._values = values
        self._in_hand = in_hand
        self._clock = clock
        values.set(metrics.BUILD_INFO, 1, __version__, platform.python_version(), version("confluent-kafka"))

    def __call__(self, event: Event) -> None:
        """Counts one event."""
        with self._values.lock:
            match event:
                case BatchSubmitted():
                    self._submitted(event)
                case TextsTokenised():
                    self._values.observe(metrics.STAGE_SECONDS, event.seconds, "tokenise")
                case PassRun():
                    self._passed(event)
                case TransactionChanged():
                    self._values.add(metrics.TRANSACTIONS, 1, event.state)
                case OffsetsCommitted():
                    self._in_hand.commit(event.offsets)
                case BatchPublished():
                    self._published(event)
                case RequestAnswered():
                    self._requested(event)
                case BatchDropped():
                    self._in_hand.end(event.batches)
                case OutputWritten():
                    pass  # counts once it is committed
                case _:
                    self._count_rare(event)

    def _count_rare(self, event: RareEvent) -> None:
        values = self._values
        match event:
            case ModelLoaded():
                values.set(metrics.MODEL_INFO, 1, event.name, event.version, event.engine, event.device)
            case PartitionsAssigned():
                self._rebalanced("assigned", event.owned)
            case PartitionsRevoked():
                self._in_hand.revoke(event.partitions)
                self._rebalanced("lost" if event.is_lost else "revoked", event.owned)
            case PartitionsBegun():
                self._in_hand.begin(event.offsets)
            case BatchUncommitted():
                values.add(metrics.REPEATED, len(event.written.records))
                self._written(event.written)
            case Recovering():
                self._in_hand.clear()
                values.add(metrics.RECOVERIES, 1, "failed" if event.refused is None else "refused")
            case BatchIsolated():
                self._isolated(event)
            case CrashLoopFound():
                values.add(metrics.CRASH_LOOPS, 1, "condemned" if event.is_condemned else "searching")
            case DriftMeasured():
                self._drifted(event)
            case _:
                assert_never(event)

    def _submitted(self, event: BatchSubmitted) -> None:
        self._in_hand.submit(event.records, event.size)
        self._values.add(metrics.READ, len(event.records))
        self._values.observe(metrics.STAGE_SECONDS, event.read_wait_s, "read_wait")
        self._values.observe(metrics.STAGE_SECONDS, event.decode_s, "decode")

    def _passed(self, event: PassRun) -> None:
        self._values.observe(metrics.STAGE_SECONDS, event.waited_s, "device_wait")
        self._values.observe(metrics.STAGE_SECONDS, event.seconds, "device")
        self._values.observe(metrics.BATCH_ROWS, event.rows)
        self._values.observe(metrics.BATCH_TOKENS, event.tokens)

    def _isolated(self, event: BatchIsolated) -> None:
        self._values.add(metrics.ISOLATIONS, 1)
        self._values.add(metrics.ISOLATION_PASSES, event.extra_passes)
        self._values.add(metrics.UNSCORABLE, event.unscorable)
        self._values.add(metrics.OUT_OF_MEMORY, event.out_of_memory)
        self._values.set(metrics.TOKEN_BUDGET, event.budget_tokens)

    def _requested(self, event: RequestAnswered) -> None:
        self._values.add(metrics.HTTP_REQUESTS, 1, str(event.status), event.reason)
        self._values.add(metrics.HTTP_TEXTS, event.texts)
        self._values.observe(metrics.HTTP_SECONDS, event.seconds)

    def _drifted(self, event: DriftMeasured) -> None:
        self._values.add(metrics.DRIFT_WINDOWS, 1, "yes" if event.drifted else "no")
        for feature, one in event.comparisons.items():
            for distance, value, limit in (("psi", one.psi, one.psi_limit), ("js", one.js, one.js_limit)):
                self._values.set(metrics.DRIFT_STATISTIC, value, feature, distance)
                self._values.set(metrics.DRIFT_THRESHOLD, limit, feature, distance)
            self._values.set(metrics.DRIFT_ALARM, float(one.exceeds), feature)

    def _rebalanced(self, kind: str, owned: int) -> None:
        self._values.add(metrics.REBALANCES, 1, kind)
        self._values.set(metrics.OWNED, owned)

    def _published(self, event: BatchPublished) -> None:
        values, now_s = self._values, self._clock()
        self._in_hand.end(event.batches)
        self._written(event)
        values.observe(metrics.STAGE_SECONDS, event.publish_s, "publish")
        values.observe(metrics.PUBLISH_RECORDS, len(event.records))
        values.observe_all(metrics.END_TO_END, _ages_s(event.records, now_s))
        values.set(metrics.LAST_COMMIT, now_s)
        values.add(metrics.TOKENS, event.tokens)
        values.add(metrics.COMPUTED_TOKENS, event.computed_tokens)
        values.set(metrics.PADDING, event.padding)
        values.add(metrics.CACHE_HITS, event.repeated)
        values.add(metrics.UNUSABLE_IDS, event.unusable_ids)

    def _written(self, event: BatchPublished) -> None:
        values = self._values
        values.add(metrics.MESSAGES, event.results, "result")
        values.add(metrics.MESSAGES, sum(event.dead_letters.values()), "dead_letter")
        values.add(metrics.MESSAGES, event.forwarded, "deletion_forwarded")
        values.add(metrics.MESSAGES, event.nulls - event.forwarded, "deletion_skipped")
        for (stage, reason), letters in event.dead_letters.items():
            values.add(metrics.DEAD_LETTERS, letters, stage, reason)
        values.add(metrics.UNCERTAIN, event.uncertain)
        values.add(metrics.UNKNOWN, event.unknown)
        values.add(metrics.TRUNCATED, sum(map(_TRUNCATED, event.scores)))
        values.add(metrics.SEGMENTED, sum(segments > 1 for segments in map(_SEGMENTS, event.scores)))
        for model, scores in _by_model(event.scores):
            self._scored(model, scores)

    def _scored(self, model: ModelIdentity, scores: Sequence[Score]) -> None:
        labels = list(map(_LABEL, scores))
        for label, count in Counter(labels).items():
            self._values.add(metrics.LABELS, count, model.version, model.labels[label])
        confidences = np.fromiter(map(getitem, map(_PROBABILITIES, scores), labels), np.float64, len(scores))
        self._values.observe_all(metrics.CONFIDENCE, confidences, model.version)
        self._values.set(metrics.MEAN_CONFIDENCE, float(confidences.mean()), model.version)


def _ages_s(records: Sequence[Position], now_s: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Seconds since the timestamps; 0 for those of a clock that is ahead, none for records without."""
    stamps = list(map(_TIMESTAMP, records))
    if None in stamps:
        stamps = [stamp for stamp in stamps if stamp is not None]
    ages: np.ndarray[tuple[int], np.dtype[np.float64]] = np.maximum(now_s - np.array(stamps, np.float64) / 1000, 0)
    return ages


def _by_model(scores: Sequence[Score]) -> Iterable[tuple[ModelIdentity, Sequence[Score]]]:
    """The scores of each model; by identity, since a named tuple is hashed by all of its content."""
    models = {id(model): model for model in map(_MODEL, scores)}
    if len(models) == 1:
        return ((model, scores) for model in models.values())
    return ((model, [score for score in scores if score.model is model]) for model in models.values())
