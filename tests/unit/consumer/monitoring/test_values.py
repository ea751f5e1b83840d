"""The values of metrics, and what a scrape sees of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from consumer.metrics import (
    BATCH_ROWS,
    CONFIDENCE,
    DEAD_LETTERS,
    END_TO_END,
    LABELS,
    LAG_RECORDS,
    MESSAGES,
    METRICS,
    MODEL_INFO,
    OTHER,
)
from consumer.monitoring import values as module
from consumer.monitoring.values import Sample, Values
from shared.reasons import Reason, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence


MOST = 20
"""A bound in place of MAX_SERIES, so that the test takes no second."""


def scraped(values: Values) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What Prometheus reads: name and labels to value."""
    registry = CollectorRegistry()
    registry.register(values)
    text = generate_latest(registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.floats(0, 2e5), max_size=20), max_size=8))
def test_many_values_at_once_are_what_the_library_counts_one_by_one(batches: Sequence[Sequence[float]]) -> None:
    """Given any values, on bounds too, when added in batches, then the histogram is that of prometheus-client."""
    values = Values()
    registry = CollectorRegistry()
    peer = Histogram("peer", "The same values.", buckets=END_TO_END.buckets, registry=registry)
    for batch in batches:
        values.observe_all(END_TO_END, np.array([*batch, *END_TO_END.buckets[:2]], np.float64))
        for value in (*batch, *END_TO_END.buckets[:2]):
            peer.observe(value)

    ours = [value for (name, _), value in scraped(values).items() if name == "sentiment_end_to_end_seconds_bucket"]
    theirs = [
        sample.value for family in registry.collect() for sample in family.samples if sample.name == "peer_bucket"
    ]
    assert ours == theirs


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1e4)))
def test_one_value_is_a_batch_of_one(found: list[float]) -> None:
    """Given any values, when added one by one or all at once, then the series are equal."""
    single, batch = Values(), Values()
    for value in found:
        single.observe(BATCH_ROWS, value)
    batch.observe_all(BATCH_ROWS, np.array(found, np.float64))

    assert scraped(single) == pytest.approx(scraped(batch))


def test_every_metric_is_in_both_formats_of_prometheus() -> None:
    """Given a value in each metric, when scraped as text and as OpenMetrics, then a parser reads all of them."""
    values = Values()
    for metric in METRICS:
        labels = [label.values[0] if label.values else 'a "b"\\\n' for label in metric.labels]
        if metric.kind == "histogram":
            values.observe(metric, 0.5, *labels)
        elif metric.kind == "counter":
            values.add(metric, 2, *labels)
        else:
            values.set(metric, 1, *labels)
    registry = CollectorRegistry()
    registry.register(values)
    newer: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]

    for text, parse in (
        (generate_latest(registry), text_string_to_metric_families),
        (newer, openmetrics_parser.text_string_to_metric_families),
    ):
        names = {sample.name for family in parse(text.decode()) for sample in family.samples}
        for metric in METRICS:
            assert (f"{metric.name}_count" if metric.kind == "histogram" else metric.name) in names


def test_series_with_known_labels_are_there_from_the_start() -> None:
    """Given a process that has done nothing, when scraped, then outcomes and states are 0 and not absent."""
    found = scraped(Values())

    assert found["sentiment_messages_total", (("outcome", "result"),)] == 0
    assert found["sentiment_transactions_total", (("state", "aborted"),)] == 0
    assert found["sentiment_stage_seconds_count", (("stage", "device"),)] == 0
    assert not [name for name, _ in found if name.startswith("sentiment_lag")]


def test_series_are_bounded_and_nothing_is_missing_from_the_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given more label values than MAX_SERIES, when counted, then the rest is `other` and the sum whole."""
    monkeypatch.setattr(module, "MAX_SERIES", MOST)
    values = Values()
    for number in range(2 * MOST):
        values.add(LABELS, 1, "v1", f"label {number}")
        values.observe(CONFIDENCE, 0.5, f"v{number}")

    found = scraped(values)
    labels = {series: value for series, value in found.items() if series[0] == LABELS.name}
    assert len(labels) == MOST
    assert sum(labels.values()) == 2 * MOST
    assert labels[LABELS.name, (("label", OTHER), ("model_version", OTHER))] == MOST + 1
    counts = {series: value for series, value in found.items() if series[0] == f"{CONFIDENCE.name}_count"}
    assert (len(counts), sum(counts.values())) == (MOST, 2 * MOST)


def test_a_value_that_a_label_does_not_have_is_other() -> None:
    """Given a stage or an outcome that is not in the list, when counted, then its label is `other`."""
    values = Values()
    values.add(MESSAGES, 3, "somebody's text")
    values.add(DEAD_LETTERS, 1, "somebody's text", Reason.BAD_RECORD)
    values.add(DEAD_LETTERS, 1, Stage.DECODE, Reason.BAD_RECORD)

    found = scraped(values)
    assert found[MESSAGES.name, (("outcome", OTHER),)] == 3
    assert found[DEAD_LETTERS.name, (("reason", "BadRecord"), ("stage", OTHER))] == 1
    assert found[DEAD_LETTERS.name, (("reason", "BadRecord"), ("stage", "decode"))] == 1
    assert "somebody" not in repr(found)


def test_what_is_asked_for_at_a_scrape_is_gone_when_it_is_not_given() -> None:
    """Given a gauge that is asked for at a scrape, when a partition is left out, then its series is gone."""
    values = Values()
    partitions = ["0", "1"]
    values.at_scrape(lambda: [Sample(LAG_RECORDS, ("texts", one), 7) for one in partitions])
    assert len([name for name, _ in scraped(values) if name == LAG_RECORDS.name]) == 2

    partitions.pop()

    assert len([name for name, _ in scraped(values) if name == LAG_RECORDS.name]) == 1


def test_an_info_is_one() -> None:
    """Given a model, when scraped, then its names are labels of the value 1."""
    values = Values()
    values.set(MODEL_INFO, 1, "tweets", "3", "openvino", "cpu")

    labels = (("device", "cpu"), ("engine", "openvino"), ("model_version", "3"), ("name", "tweets"))
    assert scraped(values)[MODEL_INFO.name, labels] == 1
