"""The command: what it asks, how often, and how it ends."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from consumer.__main__ import main
from consumer.monitoring.server import MetricsServer
from consumer.monitoring.settings import MetricsSettings
from consumer.monitoring.values import Values
from consumer.top.live import watch
from shared.http.scrape import NoAnswer, Snapshot, Target
from tests.support.processes import free_port
from tests.unit.consumer.top.exposing import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings from the environment, and an end that only raises."""
    for name in [name for name in os.environ if name.startswith("SENTIMENT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("shared.command_line.configure_logs", lambda *_: None)
    monkeypatch.setattr("consumer.__main__.end_process", sys.exit)


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    """The metrics of an idle process."""
    one = MetricsServer(MetricsSettings.model_validate({"port": free_port()}), Values())
    yield one
    one.close()


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Runs `top` to its end; returns the exit code."""
    monkeypatch.setattr(sys, "argv", ["sentiment-consumer", "top", "--interval-s", "0.5", *arguments])
    with pytest.raises(SystemExit) as raised:
        main()
    assert isinstance(raised.value.code, int)
    return raised.value.code


class Asked:
    """Answers one second later each time."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, targets: Sequence[Target], _: str | None) -> list[Snapshot | NoAnswer]:
        """A snapshot of each target."""
        self.times += 1
        return [snapshot(self.times) for _ in targets]


def test_in_a_terminal_it_goes_on_until_it_is_interrupted() -> None:
    """Given a terminal, when Ctrl-C comes, then the screen was drawn anew after each pause."""
    console = Console(file=(out := io.StringIO()), force_terminal=True, width=80, height=30)
    pauses = iter([None, None, KeyboardInterrupt])

    def sleep(_: float) -> None:
        if (what := next(pauses)) is not None:
            raise what

    asked = Asked()
    with pytest.raises(KeyboardInterrupt):
        watch(console, [Target("127.0.0.1", 1)], None, interval_s=1, reports=None, ask=asked, sleep=sleep)
    assert asked.times == 3
    assert out.getvalue().count("Keeping up") == 2


def test_elsewhere_it_reports_as_often_as_asked_without_control_characters() -> None:
    """Given a pipe, then there are so many reports of 80 columns, and no escape."""
    console = Console(file=(out := io.StringIO()), width=200)
    watch(console, [Target("127.0.0.1", 1)], None, interval_s=1, reports=2, ask=Asked(), sleep=lambda _: None)
    assert out.getvalue().count("Keeping up") == 2
    assert "\x1b" not in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) <= 80


def test_a_running_process_is_shown_once(
    server: MetricsServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given no terminal, then one report, with exit code 0; the process may be named by the setting."""
    assert run(monkeypatch, str(server.port)) == 0
    assert "1 of 1 processes answer" in capsys.readouterr().out
    monkeypatch.setenv("SENTIMENT_METRICS__PORT", str(server.port))
    assert run(monkeypatch) == 0
    assert f"127.0.0.1:{server.port}" in capsys.readouterr().out


def test_it_fails_where_nobody_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given a port that nobody serves, then the exit code is 1; without any port it is 78, and a wrong one 2."""
    assert run(monkeypatch, str(free_port())) == 1
    assert "is not there" in capsys.readouterr().out
    assert run(monkeypatch) == 78
    assert run(monkeypatch, "99999") == 2
