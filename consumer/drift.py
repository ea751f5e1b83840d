"""Watches results for drift, without labels: windows of them against the validation part of the model.

A listener of the observer's events. It says that texts or answers are no longer like those that the model was
validated on, and not how much worse the answers are: an estimate of accuracy without labels was 66 % where the
truth was 57 %.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import structlog

from consumer.events import BatchPublished, Comparison, DriftMeasured, to_all
from consumer.log_events import DIGITS
from shared.drift.distances import Distances, distances, thresholds
from shared.drift.features import FEATURES, Bins, Feature, Results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from consumer.events import Event, Observer
    from consumer.settings import DriftSettings
    from shared.inference.types import Score
    from shared.model_folder.artifact import Artifact

log = structlog.get_logger()

# The five comparisons of a window share it. Of 100 windows of held-back rows at most 1 alarms (docs/drift.md).
FALSE_ALARMS: Final = 0.002
"""Probability that a window without drift alarms, if its texts are independent of each other."""
_REMEDY: Final = "; sentiment-trainer train writes them, and adopt --calibrate"


class DriftWatch:
    """Counts results and gives `observer` one `DriftMeasured` for each full window. Kafka thread only."""

    def __init__(self, artifact: Artifact, window: int, observer: Observer) -> None:
        """The artifact's manifest must have reference statistics; `window` is in texts."""
        reference = artifact.manifest.reference
        assert reference is not None  # noqa: S101 - `with_drift` asks
        self._version = artifact.version
        self._labels = artifact.manifest.labels
        self._window = window
        self._observer = observer
        self._bins = Bins(reference, self._labels)
        self.limits = {
            name: thresholds(counts, window, FALSE_ALARMS / len(FEATURES))
            for name, counts in self._bins.reference.items()
        }
        """What a window must exceed to alarm."""
        self._begin()

    def __call__(self, event: Event) -> None:
        """Takes the scores of a publish; other events do not matter here."""
        if isinstance(event, BatchPublished):
            self.add(event.scores)

    def add(self, results: Sequence[Score]) -> None:
        """Counts results; those of other models are left out."""
        # Two models may answer within one process, and each is compared with its own validation part.
        scores = [score for score in results if score.model.version == self._version]
        while scores:
            room = self._window - self._texts
            self._count(scores[:room])
            scores = scores[room:]
            if self._texts == self._window:
                measured = self._measure()
                self._begin()
                self._observer(measured)

    def _begin(self) -> None:
        self._texts = 0
        self._counts: dict[Feature, NDArray[np.int64]] = {
            name: np.zeros_like(counts) for name, counts in self._bins.reference.items()
        }
        self._sums = dict.fromkeys(FEATURES, 0.0)

    def _count(self, scores: Sequence[Score]) -> None:
        values = Results.of(scores).values()
        for name, counts in self._bins.counts(values).items():
            self._counts[name] += counts
            self._sums[name] += float(values[name].sum())
        self._texts += len(scores)

    def _measure(self) -> DriftMeasured:
        found = {name: distances(self._counts[name], self._bins.reference[name]) for name in FEATURES}
        histograms = {name: tuple(counts.tolist()) for name, counts in self._counts.items()}
        return DriftMeasured(
            model=self._version,
            texts=self._texts,
            labels={
                label: rows / self._texts for label, rows in zip(self._labels, histograms["labels"], strict=True)
            },
            means={name: self._sums[name] / self._texts for name in FEATURES if name != "labels"},
            histograms=histograms,
            comparisons={name: _comparison(found[name], self.limits[name]) for name in FEATURES},
        )


def _comparison(found: Distances, limit: Distances) -> Comparison:
    return Comparison(psi=found.psi, psi_limit=limit.psi, js=found.js, js_limit=limit.js)


def with_drift(observer: Observer, artifact: Artifact, settings: DriftSettings) -> Observer:
    """The observer, and a watch that listens too and tells it of drift; says once whether there is one.

    Drawing the limits takes 0.07 s.
    """
    reference = artifact.manifest.reference
    if not settings.enabled or reference is None:
        why = f"the model has no reference statistics{_REMEDY}" if settings.enabled else "drift.enabled is false"
        log.info("drift_not_watched", why=why)
        return observer
    watch = DriftWatch(artifact, settings.window, observer)
    log.info(
        "drift_watched",
        window=settings.window,
        reference_rows=reference.rows,
        psi_limits={name: round(one.psi, DIGITS) for name, one in watch.limits.items()},
        js_limits={name: round(one.js, DIGITS) for name, one in watch.limits.items()},
    )
    return to_all(observer, watch)
