"""The watch for drift: windows of results, each compared once, whatever publishes they came in."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from consumer.drift import DriftWatch, with_drift
from consumer.events import DriftMeasured
from consumer.settings import DriftSettings
from shared.drift.features import Results, reference_of
from shared.inference.types import ModelIdentity, Score
from shared.model_folder.artifact import Artifact
from shared.model_folder.manifest import Base, Manifest
from tests.support.fakes import ORACLE, oracle
from tests.support.world import World
from tests.unit.consumer.test_log_events import PUBLISHED

if TYPE_CHECKING:
    from consumer.events import Event

LABELS = ("negative", "neutral", "positive")
MODEL = ModelIdentity("m", "v1", LABELS)
WINDOW = 500


def scores(rows: int, *, seed: int = 0, mix: tuple[float, ...] = (2.0, 4.0, 4.0), tokens: int = 0) -> list[Score]:
    """Random answers; `mix` leans them to labels, and `tokens` makes texts longer."""
    generator = np.random.default_rng(seed)
    shares = generator.dirichlet(mix, rows)
    lengths = generator.integers(8, 40, rows) + tokens
    return [
        Score(tuple(row), int(row.argmax()), int(length), float(length), truncated=False, model=MODEL)
        for row, length in zip(shares, lengths, strict=True)
    ]


def artifact(*, reference: bool = True, version: str = MODEL.version) -> Artifact:
    """A model with the statistics of 2,000 validation rows, or without any."""
    found = reference_of(Results.of(scores(2_000, seed=9)), LABELS) if reference else None
    manifest = Manifest(
        name="m",
        labels=LABELS,
        max_tokens=64,
        base=Base(name="b", revision="1"),
        reference=found,
        created_at=datetime.now(UTC),
    )
    return Artifact(Path("nowhere"), manifest, version)


ARTIFACT = artifact()


def watched(*publishes: list[Score], window: int = WINDOW) -> list[DriftMeasured]:
    """What a watch tells of these publishes."""
    events: list[Event] = []
    watch = DriftWatch(ARTIFACT, window, events.append)
    for publish in publishes:
        watch(replace(PUBLISHED, scores=publish))
    assert all(isinstance(event, DriftMeasured) for event in events)
    return [event for event in events if isinstance(event, DriftMeasured)]


def test_a_window_like_the_reference_does_not_alarm() -> None:
    """Given results like those of the validation part, when 20 windows are full, then none alarms."""
    events = watched(scores(20 * WINDOW, seed=3))

    assert [event.drifted for event in events] == [()] * 20
    assert all(event.texts == WINDOW and event.model == "v1" for event in events)


@pytest.mark.parametrize(
    ("shifted", "found"),
    [
        (scores(WINDOW, seed=4, mix=(4.0, 4.0, 2.0)), "labels"),
        (scores(WINDOW, seed=4, mix=(20.0, 40.0, 40.0)), "confidence"),
        (scores(WINDOW, seed=4, tokens=6), "tokens"),
        ([score._replace(unknown_share=0.4) for score in scores(WINDOW, seed=4)], "unknown_share"),
    ],
)
def test_a_window_that_differs_says_in_what(shifted: list[Score], found: str) -> None:
    """Given results with another mix, confidence, length or alphabet, when a window is full, then it alarms."""
    (event,) = watched(shifted)

    assert found in event.drifted
    comparison = dict(event.comparisons)[found]
    assert comparison.exceeds
    assert sum(event.labels.values()) == pytest.approx(1.0)


def test_a_window_is_described() -> None:
    """Given a full window, when it is measured, then labels, means and histograms are those of its results."""
    own = scores(WINDOW, seed=5)

    (event,) = watched(own)

    mean = sum(score.tokens for score in own) / WINDOW
    assert event.means["tokens"] == pytest.approx(mean)
    assert event.means["confidence"] == pytest.approx(sum(s.probabilities[s.label] for s in own) / WINDOW)
    assert event.labels["neutral"] == sum(score.label == 1 for score in own) / WINDOW
    assert all(sum(counts) == WINDOW for counts in event.histograms.values())


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 700), max_size=8), st.integers(100, 400))
def test_windows_do_not_depend_on_how_results_were_published(sizes: list[int], window: int) -> None:
    """Given results cut into any publishes, when watched, then the windows are those of one single publish.

    The rest that fills no window waits.
    """
    everything = scores(sum(sizes), seed=6) if sum(sizes) else []
    cuts = np.cumsum([0, *sizes])
    pieces = [everything[low:high] for low, high in pairwise(cuts)]

    events = watched(*pieces, window=window)

    whole = watched(everything, window=window)
    assert len(events) == len(whole) == sum(sizes) // window
    for one, other in zip(events, whole, strict=True):
        assert one.histograms == other.histograms
        assert one.comparisons == other.comparisons


def test_results_of_another_model_are_not_compared() -> None:
    """Given results of a second model, when watched, then they are in no window of the first."""
    other = [score._replace(model=MODEL._replace(version="v2")) for score in scores(WINDOW)]

    assert watched(other, scores(WINDOW - 1)) == []


@pytest.mark.parametrize(
    ("model", "enabled", "why"),
    [
        (artifact(reference=False), True, "the model has no reference statistics; sentiment-trainer train writes"),
        (ARTIFACT, False, "drift.enabled is false"),
    ],
)
def test_without_a_reference_it_is_off_and_says_so_once(model: Artifact, enabled: bool, why: str) -> None:
    """Given a model without reference statistics, or drift switched off, when set up, then one line says why."""
    events: list[Event] = []

    with capture_logs() as lines:
        observer = with_drift(events.append, model, DriftSettings(enabled=enabled))
        observer(replace(PUBLISHED, scores=scores(3 * WINDOW)))

    assert [line["event"] for line in lines] == ["drift_not_watched"]
    assert lines[0]["why"].startswith(why)
    assert len(events) == 1


def test_listeners_hear_of_the_publish_and_then_of_the_window() -> None:
    """Given a model with a reference, when a publish fills a window, then both events reach the observer."""
    events: list[Event] = []

    with capture_logs() as lines:
        observer = with_drift(events.append, ARTIFACT, DriftSettings())
        observer(replace(PUBLISHED, scores=scores(WINDOW)))

    assert [type(event).__name__ for event in events] == ["BatchPublished", "DriftMeasured"]
    assert [line["event"] for line in lines] == ["drift_watched"]
    assert lines[0]["window"] == WINDOW


def test_results_count_once_and_when_they_are_committed() -> None:
    """Given a publish that fails once, when the loop repeats it, then windows have each result once."""
    events: list[Event] = []
    with capture_logs():
        observer = with_drift(events.append, artifact(version=ORACLE.version), DriftSettings(window=100))
        world = World(partitions=1, observer=observer)
        world.produce(250)
        world.outbox.fail_at = {1}
        world.run()

    measured = [event for event in events if isinstance(event, DriftMeasured)]
    expected = Counter(oracle(f"text 0/{number}").label for number in range(200))
    assert [event.texts for event in measured] == [100, 100]
    assert sum((Counter(dict(enumerate(event.histograms["labels"]))) for event in measured), Counter()) == expected
    assert "text 0" not in repr(measured)
