"""How a process ends: one clear line, its exit code, and no text of the stream."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from shared.errors import KafkaUnreachable, SentimentError, SettingsError
from shared.logs import exit_with, unforeseen

if TYPE_CHECKING:
    from collections.abc import Callable

PRIVATE = "hunter2"


def raising(error: BaseException) -> Callable[[], object]:
    """A command that ends with an exception."""

    def command() -> object:
        raise error

    return command


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (lambda: None, 0, ""),
        (raising(SettingsError("set this")), 78, "error: set this\n"),
        (raising(KafkaUnreachable("no broker")), 69, "error: no broker\n"),
        (raising(SentimentError("odd")), 70, "error: odd\n"),
        (raising(KeyboardInterrupt()), 130, "error: interrupted\n"),
        (raising(SystemExit(3)), 3, ""),
    ],
)
def test_an_end_has_one_line_and_a_code(
    capsys: pytest.CaptureFixture[str], command: Callable[[], object], code: int, said: str
) -> None:
    """Given a command that ends in some way, when it is run, then one line says why, and the code fits."""
    with pytest.raises(SystemExit) as raised:
        exit_with(command)

    captured = capsys.readouterr()
    assert (raised.value.code, captured.out, captured.err) == (code, "", said)


def test_an_unforeseen_error_keeps_its_message_to_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """Given an error that nobody foresaw, when it ends a command, then its type and place are told."""
    structlog.reset_defaults()  # a test that captured logs leaves them configured, at debug
    with pytest.raises(SystemExit) as raised:
        exit_with(raising(ValueError(f"could not read {PRIVATE}")))

    said = capsys.readouterr().err
    assert raised.value.code == 70
    assert re.search(
        r"unforeseen ValueError at unit/test_logs\.py:\d+ command < shared/logs\.py:\d+ exit_with", said
    )
    assert PRIVATE not in said
    assert "Traceback" not in said


def test_debug_shows_the_message_and_the_frames(capsys: pytest.CaptureFixture[str]) -> None:
    """Given the level debug, when an error that nobody foresaw ends a command, then all is shown."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("debug"))
    try:
        with pytest.raises(SystemExit):
            exit_with(raising(ValueError(PRIVATE)))
    finally:
        structlog.reset_defaults()

    said = capsys.readouterr().err
    assert f"ValueError: {PRIVATE}" in said
    assert "Traceback" in said


def test_an_error_without_frames_is_described() -> None:
    """Given an exception that was never raised, when described, then the place is unknown and nothing fails."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("info"))
    try:
        assert unforeseen(ValueError(PRIVATE)).startswith("unforeseen ValueError at an unknown place")
    finally:
        structlog.reset_defaults()


SCRIPT = """
import sys, warnings, structlog
from shared.logs import configure_logs
configure_logs(sys.argv[1])
log = structlog.get_logger()
log.debug("fine")
log.info("batch", records=2, name="\\u00fc")
try:
    private = "hunter2"
    raise ValueError("here")
except ValueError:
    log.exception("broken")
"""


@pytest.mark.parametrize(("level", "events"), [("debug", ["fine", "batch", "broken"]), ("error", ["broken"])])
def test_log_lines_are_json_on_standard_error(level: str, events: list[str]) -> None:
    """Given a level, when logs are written to a pipe, then they are JSON lines on stderr, no local variables."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, level], capture_output=True, text=True, check=True, timeout=60
    )

    lines: list[dict[str, Any]] = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.stdout == ""
    assert [line["event"] for line in lines] == events
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert PRIVATE not in done.stderr


def test_a_reader_that_left_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given output to `head`, when it has had enough, then the command ends well and silently."""
    closed: list[bool] = []
    monkeypatch.setattr(sys, "stderr", type("Silent", (), {"close": lambda _: closed.append(True)})())

    with pytest.raises(SystemExit) as raised:
        exit_with(raising(BrokenPipeError()))

    assert (raised.value.code, closed) == (0, [True])
