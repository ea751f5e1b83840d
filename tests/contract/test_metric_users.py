"""Rules, board, `top` and pages name metrics and labels that exist; each alert has a runbook entry and tests.

That the queries mean what they should is tested with a real Prometheus: `make test-observe`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector

from consumer.metrics import METRICS, Metric
from sentiment_testing import plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
BOARD: Final = DEPLOY / "grafana/dashboards/sentiment.json"
USERS: Final = sorted(
    [
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "consumer/top").glob("*.py"),
        *DEPLOY.rglob("*.yml"),
        *(ROOT / "README.md", ROOT / "CHANGELOG.md", BOARD),
    ]
)
RULES: Final = [
    rule
    for file in sorted((DEPLOY / "prometheus/rules").glob("*.yml"))
    for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
ALERTS: Final = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED: Final = {rule["record"] for rule in RULES if "record" in rule}
TESTS: Final = yaml.safe_load((DEPLOY / "prometheus/tests/alerts.yml").read_text(encoding="utf-8"))["tests"]
SERIES: Final = {
    one.name + suffix: one
    for one in METRICS
    for suffix in (("_bucket", "_sum", "_count") if one.kind == "histogram" else ("",))
}
SCRAPED: Final = {"job", "instance"}
"""Labels that Prometheus adds."""
SCREEN: Final = 24
"""Rows of the grid, at 38 pixels each, that a screen of 1,080 lines shows under Grafana's own bars."""


NO_METRICS: Final = {
    "sentiment_stream",
    "sentiment_testing",
    *(one for one in vars(plugin) if "sentiment_" in one),
}
"""The project in names of files, the testing package and its fixtures."""


def names(text: str) -> set[str]:
    """Everything that looks like a metric of this service or of its process; `sentiment_drift_*` ends with _."""
    return set(re.findall(r"(?<![\w:])(?:sentiment|process)_[a-z_0-9]+(?![\w:]*:)", text)) - NO_METRICS


def recorded(text: str) -> set[str]:
    """Everything that looks like a recorded series."""
    return set(re.findall(r"\b[a-z_]+:sentiment_[a-z_0-9:]+", text))


def expressions() -> Iterator[str]:
    """Every query of the rules and of the board."""
    yield from (rule["expr"] for rule in RULES)
    board = json.loads(BOARD.read_text(encoding="utf-8"))
    yield from (target["expr"] for panel in board["panels"] for target in panel.get("targets", ()))
    yield from (one["expr"] for one in board["annotations"]["list"])
    yield from (one["definition"] for one in board["templating"]["list"] if one["type"] == "query")


@pytest.mark.parametrize("file", USERS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_metric_that_is_named_exists(file: Path) -> None:
    """Given a page, a rule file, the board or `top`, then it names no metric that no process has."""
    text = file.read_text(encoding="utf-8")
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    process = {sample.name for family in registry.collect() for sample in family.samples}
    families = {one.name for one in METRICS}
    known = {*SERIES, *families, *process}
    unknown = {
        name
        for name in names(text) - known
        if not (name.endswith("_") and any(one.startswith(name) for one in known))
    }
    assert not unknown
    assert recorded(text) <= RECORDED


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_every_label_of_a_query_exists(expression: str) -> None:
    """Given a query, then each of its selectors has labels of the metric, and values that it can have."""
    for name, matchers in re.findall(r"\b(sentiment_\w+)\{([^}]*)\}", expression):
        metric: Metric = SERIES[name]
        labels = {label.name: label.values for label in metric.labels} | dict.fromkeys(SCRAPED, ())
        for label, operator, value in re.findall(r'(\w+)(=~|!=|!~|=)"([^"]*)"', matchers):
            assert label in labels, f"{name} has no label {label}"
            assert operator != "=" or not labels[label] or value in labels[label]
    for grouping in re.findall(r"\b(?:by|on|without|group_left|ignoring) ?\(([\w, ]*)\)", expression):
        used = {
            label for one in re.findall(r"\bsentiment_\w+", expression) if one in SERIES for label in _labels(one)
        }
        assert {label.strip() for label in grouping.split(",") if label.strip()} <= used | SCRAPED | {
            "le",
            "label",
        }


def test_every_alert_has_a_runbook_entry_and_no_entry_is_left_over() -> None:
    """Each alert links to the entry of its name."""
    page = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
    entries = re.findall(r"^### (Sentiment\w+)$", page, re.MULTILINE)
    assert entries == list(ALERTS)
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"
        assert rule["labels"]["severity"] in {"critical", "warning"}


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_tested_where_it_must_fire_and_where_it_must_not(alert: str) -> None:
    """On the healthy stream, shortly before it is due, and on its own series."""
    healthy, *others = TESTS
    cases = [case for one in others for case in one["alert_rule_test"] if case["alertname"] == alert]
    assert any(case["alertname"] == alert for case in healthy["alert_rule_test"])
    assert not any("exp_alerts" in case for case in healthy["alert_rule_test"])
    assert any(case.get("exp_alerts") for case in cases)
    assert any(not case.get("exp_alerts") for case in cases)


def test_the_board_is_one_screen_of_four_questions() -> None:
    """No scrolling, no panel over another, and every panel has a description."""
    panels: list[dict[str, Any]] = json.loads(BOARD.read_text(encoding="utf-8"))["panels"]
    titles = [one["title"] for one in panels if one["type"] == "row"]
    assert titles == ["Keeping up", "Right", "Fast", "What happened"]
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells)) == 24 * SCREEN
    assert {y for _, y in cells} == set(range(SCREEN))
    assert len({one["id"] for one in panels}) == len(panels)
    assert all(one["description"] for one in panels if one["type"] != "row")


def _labels(series: str) -> list[str]:
    return [label.name for label in SERIES[series].labels]
