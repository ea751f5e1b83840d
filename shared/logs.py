"""Logging: structlog on standard error, JSON lines unless that is a terminal, and how a process ends.

Whatever is written to standard error goes through one queue, so that no log line can hold a thread or end the
process: neither a pipe that nobody reads nor a full disk decides what becomes of the service.

Text of the stream is never logged. So tracebacks carry frames but no local variables, and the message
of an unforeseen exception, which may quote its input, is shown only at level `debug`.
"""

from __future__ import annotations

import atexit
import logging
import os
import select
import sys
import threading
import traceback
from contextlib import redirect_stderr
from functools import cache
from typing import TYPE_CHECKING, Final, Literal, NoReturn, TextIO, cast

import structlog

from shared.errors import SentimentError
from shared.stderr_queue import StderrQueue, stderr_fd

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import Processor

Level = Literal["debug", "info", "warning", "error"]

EXIT_UNFORESEEN = SentimentError.exit_code
EXIT_INTERRUPTED = 130

FLUSH_S: Final = 0.5
"""How long an ending process waits for what it logged to be written."""

KAFKA_LOGGER: Final = "librdkafka"
"""Gets the Kafka client's own lines, on the thread that polls.

The client would write them to standard error itself, within calls that hold Python's global lock: at a full pipe
nothing could end the process but SIGKILL.
"""


@cache
def standard_error() -> StderrQueue:
    """The queue before standard error, one per process."""
    queue = StderrQueue(stderr_fd())
    atexit.register(queue.drain, FLUSH_S)
    return queue


def configure_logs(level: Level = "info") -> None:
    """Sends structlog, stdlib logging and warnings to standard error; call once, before the first log line."""
    stream = standard_error()
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if stream.isatty()
        else structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", stream)),
        cache_logger_on_first_use=True,
    )
    renderer = structlog.wrap_logger(structlog.ReturnLogger(), processors=processors)
    stream.gap = lambda lines: f"{renderer.warning('log_lines_dropped', lines=lines)}\n"
    logging.basicConfig(level=logging.WARNING, stream=stream, format="%(name)s: %(message)s", force=True)
    logging.getLogger(KAFKA_LOGGER).setLevel(logging.DEBUG)  # the client's `log_level` decides
    logging.captureWarnings(True)


def exit_with(command: Callable[[], object], end: Callable[[int], NoReturn] = sys.exit) -> NoReturn:
    """Runs a command line and turns whatever ends it into one clear line and its exit code.

    `end` is `end_process` where threads may be inside native code: of a pass that went on while Python cleaned up,
    OpenVINO aborted the process in five of six cases, with exit code 134 in the place of its own.
    """
    with redirect_stderr(standard_error()):
        code = _run(command)
        code = _run(lambda: sys.stdout and sys.stdout.flush()) or code
    standard_error().drain(FLUSH_S)
    end(code)


def _run(command: Callable[[], object]) -> int:
    try:
        command()
    except SystemExit as exit_:
        if exit_.code is None or isinstance(exit_.code, int):
            return exit_.code or 0
        say_error(exit_.code)
        return 1
    except SentimentError as error:
        say_error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        say_error("interrupted")
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the one place that meets what nobody foresaw
        if isinstance(error, BrokenPipeError) and _reader_left():
            # Nobody is there to read the rest; Python would try to write it once more, and end with 120.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return 0
        say_error(unforeseen(error))
        return EXIT_UNFORESEEN
    return 0


def end_process(code: int) -> NoReturn:
    """Ends the process at once and without clean-up, FLUSH_S after what was logged cannot be written."""
    standard_error().drain(FLUSH_S)
    os._exit(code)


def say_error(message: str) -> None:
    """Queues the line that tells why the process ends."""
    standard_error().write(f"error: {message}\n")


def log_aside(say: Callable[[], object], wait_s: float = 0.0) -> None:
    """Logs on a thread of its own and waits `wait_s` for it at most.

    For a thread that must go on whatever becomes of the log.
    """
    thread = threading.Thread(target=say, name="log", daemon=True)
    thread.start()
    thread.join(wait_s)


def unforeseen(error: BaseException) -> str:
    """Describes an exception by its type and the frames it came through, without its message."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    where = " < ".join(f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    line = f"unforeseen {type(error).__name__} at {where or 'an unknown place'}; please report this line"
    if structlog.is_configured() and structlog.get_logger().is_enabled_for(logging.DEBUG):
        line += f"\n{''.join(traceback.format_exception(error))}"
    else:
        line += " (--log-level debug adds the exception's own message, which may quote its input)"
    return line


def _short(filename: str) -> str:
    return "/".join(filename.split("/")[-2:])


def _reader_left() -> bool:
    """Whether nobody reads standard output any more."""
    poller = select.poll()
    poller.register(1, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poller.poll(0))
