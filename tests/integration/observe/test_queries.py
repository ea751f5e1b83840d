"""A real Prometheus scrapes two members at work: every query of the rules and of the board has an answer."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any, Final

import httpx2

from tests.contract.test_metric_users import BOARD, RULES
from tests.integration.load import ENVIRONMENT, Load
from tests.integration.observe.prometheus import prometheus
from tests.support.processes import free_port, run_command

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Consumers, Topics
    from tests.integration.observe.prometheus import Prometheus

AT_WORK_S: Final = 20.0
"""Seconds of work before the queries: some scrapes and evaluations of the rules."""
ABSENT: Final = re.compile(r"sentiment_device_|sentiment_busy_token_seconds|^ALERTS")
"""What this run has not: a GPU, a busy device, and trouble."""
SELECTOR: Final = re.compile(r"(?:[a-z_]+:)?\b(?:sentiment|process|up)[a-z0-9_:]*(?:\{[^}]*\})?(?:\[\w+\])?")
VARIABLES: Final = {"$__rate_interval": "10s", "$__range": "5m", "$job": "sentiment.*"}


def test_every_query_is_answered(topics: Topics, model: Path, consumers: Consumers, tmp_path: Path) -> None:
    """Given two members under load and requests over HTTP, then no alert fires, and `top` shows both."""
    ports, http = [free_port(), free_port()], free_port()
    with prometheus(tmp_path, ports) as found, Load(topics):
        common = ("--model", str(model), "--delivery", "exactly-once")
        flags = [topics.flags(*common, "--instance-id", str(port), "--metrics-port", str(port)) for port in ports]
        flags[0] += ["--http-port", str(http)]
        members = [consumers.start(one, ENVIRONMENT) for one in flags]
        for member in members:
            member.await_log('"event": "batch"', count=3)
        found.await_up(len(ports))
        for body, status in (({"text": "fine"}, 200), ({}, 422)):
            assert (
                httpx2.post(f"http://127.0.0.1:{http}/v1/score", json=body, trust_env=False).status_code == status
            )
        time.sleep(AT_WORK_S)
        _check_rules(found)
        _check_queries(found)
        _check_top(ports)
        for member in members:
            assert member.terminate()[0] == 0


def _check_rules(found: Prometheus) -> None:
    """Each rule was evaluated without an error, and no alert fires."""
    rules = [rule for group in found.get("rules")["groups"] for rule in group["rules"]]
    assert len(rules) == len(RULES)
    assert {rule["name"]: rule.get("lastError", "") for rule in rules if rule["health"] != "ok"} == {}
    assert found.query('ALERTS{alertstate="firing"}') == []
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    assert {name for name in recorded if not found.query(name)} == {one for one in recorded if ABSENT.search(one)}


def _check_queries(found: Prometheus) -> None:
    """Each query of the board has series; what fires or is not here has none, but its parts have."""
    board: dict[str, Any] = json.loads(BOARD.read_text(encoding="utf-8"))
    shown = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    queries = [one for one in shown if not one.endswith("> 0")]
    quiet = [one for one in shown if one.endswith("> 0")]
    quiet += [rule["expr"] for rule in RULES] + [one["expr"] for one in board["annotations"]["list"]]
    empty = [one for one in queries if not found.query(_filled(one)) and not ABSENT.search(one)]
    assert empty == []
    for expression in quiet:
        found.query(_filled(expression))
    selectors = {one for expression in (*queries, *quiet) for one in SELECTOR.findall(_filled(expression))}
    assert len(selectors) > len(RULES)
    missing = {one for one in selectors if not found.query(one) and not ABSENT.search(one)}
    assert missing == set()
    assert found.get("label/job/values") == ["sentiment"]


def _filled(expression: str) -> str:
    """The query with values for the variables of the board."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def _check_top(ports: list[int]) -> None:
    done = run_command("consumer", "top", *map(str, ports))
    shown = done.stdout.decode()
    assert done.returncode == 0, shown
    assert "2 of 2 processes answer" in shown
    rate = re.search(r"^records/s +([\d,.]+)", shown, re.MULTILINE)
    assert rate is not None
    assert float(rate[1].replace(",", "")) > 0
    assert "decode" in shown
    assert "times its threshold: " in shown
