"""The end of a process: one clear line, its exit code, and no text of the stream."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from shared.errors import KafkaUnreachable, SentimentError, SettingsError
from shared.logs import configure_logs, exit_with, standard_error, unforeseen
from tests.support.stderr import CLOSED, KINDS, line_of, script

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
        (raising(SystemExit("enough")), 1, "error: enough\n"),
    ],
)
def test_an_end_has_one_line_and_a_code(
    capfd: pytest.CaptureFixture[str], command: Callable[[], object], code: int, said: str
) -> None:
    """Given a command that ends in any way, when it is run, then one line says why, and the code fits."""
    with pytest.raises(SystemExit) as raised:
        exit_with(command)

    captured = capfd.readouterr()
    assert (raised.value.code, captured.out, captured.err) == (code, "", said)


def test_an_unforeseen_error_keeps_its_message_to_itself(capfd: pytest.CaptureFixture[str]) -> None:
    """Given an unexpected error, when it ends a command, then its type and place are reported."""
    structlog.reset_defaults()  # a test that captured logs leaves them configured, at debug
    with pytest.raises(SystemExit) as raised:
        exit_with(raising(ValueError(f"could not read {PRIVATE}")))

    said = capfd.readouterr().err
    assert raised.value.code == 70
    assert re.search(r"unforeseen ValueError at shared/test_logs\.py:\d+ command < shared/logs\.py:\d+ _run", said)
    assert PRIVATE not in said
    assert "Traceback" not in said


def test_debug_shows_the_message_and_the_frames(capfd: pytest.CaptureFixture[str]) -> None:
    """Given the level debug, when an unexpected error ends a command, then everything is shown."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("debug"))
    try:
        with pytest.raises(SystemExit):
            exit_with(raising(ValueError(PRIVATE)))
    finally:
        structlog.reset_defaults()

    said = capfd.readouterr().err
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
configure_logs(*sys.argv[1:])
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


def test_lines_for_people_can_be_asked_for_in_a_pipe() -> None:
    """Given --log-format console, when logs are written to a pipe, then they are text without colours."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "info", "console"], capture_output=True, text=True, check=True, timeout=60
    )

    assert re.search(r"Z \[info +\] batch +name=\u00fc records=2\n", done.stderr)
    assert "ValueError: here" in done.stderr
    assert "\x1b" not in done.stderr


def test_dropped_lines_are_counted_at_every_level() -> None:
    """Given the level error, when lines were dropped, then the line that says so is written all the same."""
    try:
        configure_logs("error", "json")
        assert json.loads(standard_error().gap(3))["lines"] == 3
    finally:
        structlog.reset_defaults()


REPEATING = """
import logging, warnings, structlog
from shared.logs import configure_logs, exit_with
def command():
    configure_logs("info")
    for number in range(200):
        structlog.get_logger().warning("again", number=number)
        logging.getLogger("librdkafka").warning("%s after %d ms", "gone", number)
    exit(3)
exit_with(command)
"""


def test_repeated_warnings_are_sampled_and_counted_to_the_last() -> None:
    """Given 200 equal warnings, when the process ends, then the first are in full, and the last counts others."""
    done = subprocess.run(
        [sys.executable, "-c", REPEATING], capture_output=True, text=True, check=False, timeout=60
    )

    lines: list[dict[str, Any]] = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 3
    for event in ("again", "librdkafka"):
        counts = [line.get("repeated", 1) for line in lines if line["event"] == event]
        assert counts == [1, 1, 1, 1, 1, 195]
    assert [line["number"] for line in lines if line["event"] == "again"] == [0, 1, 2, 3, 4, 199]


def test_an_end_without_clean_up_loses_no_output() -> None:
    """Given output that waits in a buffer, when the process ends without clean-up, then it is written before."""
    text = "from shared.logs import *; exit_with(lambda: (print('said'), exit(3)), end_process)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout, done.stderr) == (3, "said\n", "")


def test_output_that_cannot_be_written_is_no_success() -> None:
    """Given a full disk, when a command's output is in a buffer at its end, then the exit code is not 0."""
    text = "from shared.logs import *; exit_with(lambda: print('said'), end_process)"
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-c", text], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )

    assert done.returncode == 70
    assert done.stderr.startswith("error: unforeseen OSError")


FLOOD = """
from shared.logs import exit_with
def command():
    for number in range(100_000):
        print(number)
exit_with(command)
"""


def test_a_reader_that_left_is_no_error() -> None:
    """Given output to `head`, when `head` has had enough, then the command ends with success and silently."""
    with subprocess.Popen(
        [sys.executable, "-c", FLOOD], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "0\n"
        process.stdout.close()

        assert process.stderr.read() == ""
        assert process.wait(30) == 0


def test_a_pipe_of_another_reader_is_no_success(capfd: pytest.CaptureFixture[str]) -> None:
    """Given a broken pipe other than standard output, when it ends a command, then the exit code is not 0."""
    with pytest.raises(SystemExit) as raised:
        exit_with(raising(BrokenPipeError()))

    assert raised.value.code == 70
    assert "unforeseen BrokenPipeError" in capfd.readouterr().err


OTHERS = """
import logging, sys, threading, warnings
import structlog
from shared.logs import configure_logs, exit_with
from shared.errors import KafkaStateError
def command():
    configure_logs("error")
    log = structlog.get_logger()
    log.error("first")
    logging.getLogger("other").warning("second")
    logging.getLogger("librdkafka").debug("third")
    warnings.warn("fourth")
    print("fifth", file=sys.stderr)
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    raise KafkaStateError("last")
exit_with(command)
"""


def test_all_that_goes_to_standard_error_keeps_its_order() -> None:
    """Given lines of every origin, when they are written, then all are there, in order, the error last."""
    done = subprocess.run([sys.executable, "-c", OTHERS], capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 76
    assert done.stderr.endswith("\nerror: last\n")
    found = [done.stderr.index(word) for word in ("first", "second", "third", "fourth", "fifth", "ZeroDivision")]
    assert found == sorted(found)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_error_has_its_exit_code_whoever_reads_it(kind: str) -> None:
    """Given a blocked standard error, when an error ends a process, then its exit code is the same."""
    with script(kind, OTHERS) as process:
        assert process.wait(30) == 76


CLOSED_SCRIPT = """
import sys
from shared.logs import configure_logs, standard_error
import structlog
configure_logs()
with open(sys.argv[1], "w") as file:
    structlog.get_logger().info("private")
    standard_error().drain(10)
    print(file.fileno())
"""


def test_a_file_does_not_take_the_place_of_a_closed_standard_error(tmp_path: Path) -> None:
    """Given a process without standard error, when it opens a file, then no log line is written into it."""
    path = tmp_path / "file"
    with script(CLOSED, CLOSED_SCRIPT, str(path)) as process:
        assert int(line_of(process)) > 2
        assert process.wait(30) == 0

    assert path.read_text() == ""
