"""The names of metrics are a contract with the dashboards, alerts and programs that read them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from consumer.metrics import METRICS, Metric

LOCKED: Final = Path(__file__).with_name("metric_names.txt")
OPEN: Final = {
    *("topic", "partition", "model_version", "label", "reason", "feature", "status"),
    *("name", "engine", "device", "version", "python", "confluent_kafka"),
}
"""Labels without a list of values: those come from the settings, the model, the code or the broker."""


def line(metric: Metric) -> str:
    """Whatever a query relies on: kind, name, labels, their known values and buckets."""
    labels = [f"{one.name}={'|'.join(one.values) or '*'}" for one in metric.labels]
    buckets = [f"le={','.join(f'{bound:g}' for bound in metric.buckets)}"] if metric.buckets else []
    return " ".join([metric.kind, metric.name, *labels, *buckets])


def test_names_kinds_labels_and_buckets_are_those_of_the_locked_list() -> None:
    """To change a metric, change `metric_names.txt`, the board and the alerts in the same commit."""
    assert [line(one) for one in METRICS] == LOCKED.read_text(encoding="utf-8").splitlines()


def test_names_follow_the_rules_of_prometheus() -> None:
    """One prefix, base units, `_total` for a counter, `_info` for what is always 1."""
    for one in METRICS:
        assert one.name.startswith("sentiment_")
        assert one.name.endswith("_total") == (one.kind == "counter")
        assert one.name.endswith("_info") == (one.kind == "info")
        assert bool(one.buckets) == (one.kind == "histogram")
        assert not {"ms", "milliseconds", "minutes", "kb", "mb", "percent"} & set(one.name.split("_"))
    assert len({one.name for one in METRICS}) == len(METRICS)


def test_no_label_can_hold_a_text_a_key_an_id_or_a_user() -> None:
    """Each label has a list of values, or is one of few that name a topic, a model or a part of this machine."""
    open_labels = {one.name for metric in METRICS for one in metric.labels if not one.values}
    assert open_labels == OPEN
