"""The files of `deploy/prometheus`, as promtool sees them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from tests.integration.observe.prometheus import DEPLOY, promtool

if TYPE_CHECKING:
    from pathlib import Path

ALERTS: Final = [
    rule["alert"]
    for group in yaml.safe_load((DEPLOY / "rules/alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]


def test_configuration_and_rules_are_valid() -> None:
    """With every check of promtool, and warnings as errors."""
    config = promtool("check", "config", "--lint=all", "--lint-fatal", str(DEPLOY / "prometheus.yml"))
    assert config.returncode == 0, config.stdout + config.stderr
    rules = promtool(
        "check", "rules", "--lint=all", "--lint-fatal", *map(str, sorted((DEPLOY / "rules").iterdir()))
    )
    assert rules.returncode == 0, rules.stdout + rules.stderr


def test_every_alert_fires_when_it_must_and_only_then() -> None:
    """The series of `deploy/prometheus/tests`."""
    done = promtool("test", "rules", *map(str, sorted((DEPLOY / "tests").iterdir())))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
@pytest.mark.parametrize("always", [True, False], ids=["always", "never"])
def test_the_series_notice_an_alert_that_always_or_never_fires(alert: str, always: bool, tmp_path: Path) -> None:
    """Given rules in which one alert is broken, then the tests of the rules fail."""
    shutil.copytree(DEPLOY, tmp_path / "prometheus")
    file = tmp_path / "prometheus/rules/alerts.yml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    for rule in content["groups"][0]["rules"]:
        if rule["alert"] == alert:
            rule["expr"] = "vector(1)" if always else "vector(1) > 1"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    done = promtool("test", "rules", str(tmp_path / "prometheus/tests/alerts.yml"))
    assert done.returncode != 0
    assert f"alertname: {alert}" in done.stdout + done.stderr
