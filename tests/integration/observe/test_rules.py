"""The files of `deploy/prometheus`, as promtool sees them."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.integration.observe.prometheus import DEPLOY, promtool

if TYPE_CHECKING:
    from pathlib import Path


def test_configuration_and_rules_are_valid() -> None:
    """With every check of promtool, and warnings as errors."""
    config = promtool("check", "config", "--lint=all", "--lint-fatal", str(DEPLOY / "prometheus.yml"))
    assert config.returncode == 0, config.stdout + config.stderr
    rules = promtool(
        "check", "rules", "--lint=all", "--lint-fatal", *map(str, sorted((DEPLOY / "rules").iterdir()))
    )
    assert rules.returncode == 0, rules.stdout + rules.stderr


def test_the_configuration_for_containers_is_valid() -> None:
    """By syntax only: its token and its rules are where the container has them."""
    file = DEPLOY.parent / "compose" / "prometheus.yml"
    config = promtool("check", "config", "--lint=all", "--lint-fatal", "--syntax-only", str(file))
    assert config.returncode == 0, config.stdout + config.stderr


def test_every_alert_fires_when_it_must_and_only_then() -> None:
    """The series of `deploy/prometheus/tests`."""
    done = promtool("test", "rules", *map(str, sorted((DEPLOY / "tests").iterdir())))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("expression", ["vector(1)", "vector(1) > 1"], ids=["always", "never"])
def test_the_series_notice_alerts_that_always_or_never_fire(expression: str, tmp_path: Path) -> None:
    """Given rules in which every alert is broken, then the tests of the rules name each of them."""
    shutil.copytree(DEPLOY, tmp_path / "prometheus")
    file = tmp_path / "prometheus/rules/alerts.yml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    rules = content["groups"][0]["rules"]
    for rule in rules:
        rule["expr"] = expression
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    done = promtool("test", "rules", str(tmp_path / "prometheus/tests/alerts.yml"))
    assert done.returncode != 0
    noticed = set(re.findall(r"alertname: (\w+)", done.stdout + done.stderr))
    assert noticed == {rule["alert"] for rule in rules}
