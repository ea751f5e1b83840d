"""Logging with structlog to standard error (JSON lines, or text for people), and ending a process.

Everything written to standard error goes through one queue, so that a log line can neither block a thread nor end
the process: a pipe that nobody reads or a full disk does not affect the service.

Texts of the stream are never logged. So tracebacks have frames but no local variables, and the message of an
unexpected exception, which may quote its input, is shown only at level `debug`.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import select
import sys
import threading
import traceback
from contextlib import redirect_stderr
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, TextIO, cast, get_args

import structlog

from shared.errors import SentimentError
from shared.log_output.sampling import Sampler
from shared.log_output.stderr_queue import StderrQueue, stderr_fd
from shared.terminal import escaped

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, Processor, WrappedLogger

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "json", "console"]

EXIT_UNFORESEEN = SentimentError.exit_code
EXIT_INTERRUPTED = 130

FLUSH_S: Final = 0.5
"""Seconds that an ending process waits for its log lines to be written."""

KAFKA_LOGGER: Final = "librdkafka"
"""Receives the log lines of librdkafka, on the thread that polls.

Otherwise librdkafka writes them to standard error itself, inside calls that hold the GIL: with a full pipe, only
SIGKILL could end the process.
"""


@cache
def standard_error() -> StderrQueue:
    """The queue in front of standard error, one per process."""
    queue = StderrQueue(stderr_fd())
    # Its writer is a daemon thread, which a normal exit would cut off in the middle of the last lines.
    atexit.register(queue.drain, FLUSH_S)
    return queue


def configure_logs(level: Level = "info", form: Format = "auto") -> None:
    """Sends structlog, stdlib logging and warnings to standard error; call once, before the first log line.

    `auto` is `console` on a terminal and `json` elsewhere.
    """
    stream = standard_error()
    is_json = form == "json" or (form == "auto" and not stream.isatty())
    described: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([structlog.processors.JSONRenderer(_harmless_json)] if is_json else [_harmless, _console(stream)]),
    ]
    # Without the filter of `level`, by which the line that counts dropped ones would be None at level `error`.
    every = structlog.make_filtering_bound_logger("debug")
    renderer = structlog.wrap_logger(structlog.ReturnLogger(), processors=described, wrapper_class=every)
    sampler = Sampler(lambda fields: stream.write(f"{renderer.warning(**fields)}\n"))
    # The context has the ids of the trace at hand, with tracing on. It is merged first, so that a line which the
    # sampler writes later, on a thread of its own, keeps them.
    processors: list[Processor] = [structlog.contextvars.merge_contextvars, sampler, *described]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Not PrintLogger, whose print writes a line and its end separately: lines of two threads could mix.
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", stream)),
        cache_logger_on_first_use=True,
    )
    stream.gap = lambda lines: f"{renderer.warning('log_lines_dropped', lines=lines)}\n"
    stream.before_drain = lambda: sampler.write_due(everything=True)
    others = structlog.wrap_logger(
        structlog.WriteLogger(cast("TextIO", stream)), processors=processors, wrapper_class=every
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Passing(others)], force=True)
    logging.getLogger(KAFKA_LOGGER).setLevel(logging.DEBUG)  # the client's `log_level` is the filter
    logging.captureWarnings(True)


class _Passing(logging.Handler):
    """Makes lines of ours of what libraries and librdkafka log: the event is the name of their logger."""

    def __init__(self, log: Any) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Called by `logging` on the thread that logs."""
        fields = {"message": record.getMessage().strip()}
        if record.exc_info:
            fields["exception"] = "".join(traceback.format_exception(*record.exc_info))
        level = "error" if record.levelno >= logging.ERROR else record.levelname.lower()
        # A level of a library's own has no method here.
        (getattr(self._log, level) if level in get_args(Level) else self._log.info)(record.name, **fields)


def _console(stream: StderrQueue) -> Processor:
    return structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)


def _harmless(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
    """Escapes control characters in strings; the renderer shows other values by their `repr`."""
    return {name: escaped(value) if isinstance(value, str) else value for name, value in fields.items()}


def _harmless_json(fields: EventDict, **options: Any) -> str:
    """Escapes all control characters, since a log may be read on a terminal; JSON only escapes those of ASCII."""
    return escaped(json.dumps(fields, ensure_ascii=False, **options))


def exit_with(command: Callable[[], object], end: Callable[[int], NoReturn] = sys.exit) -> NoReturn:
    """Runs a command, reports an error that ends it in one line, and exits with the exit code of the command.

    `end` is `end_process` if threads may be inside native code: when a forward pass was still running while Python
    cleaned up, OpenVINO aborted the process in five of six cases, with exit code 134 instead of its own.
    """
    # click and rich write to sys.stderr themselves; an unread pipe must not block them either.
    with redirect_stderr(standard_error()):
        code = _run(command)
        # `end_process` flushes nothing, and a full disk may show only here: lost output is no success.
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
    except Exception as error:  # noqa: BLE001 - the one place that handles unexpected exceptions
        # Only for standard output: a broken pipe anywhere else is an error.
        if isinstance(error, BrokenPipeError) and _reader_left():
            # Nobody reads the rest. Python would try to flush it at exit, and end with exit code 120.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return 0
        say_error(*unforeseen(error).split("\n"))
        return EXIT_UNFORESEEN
    return 0


def end_process(code: int) -> NoReturn:
    """Ends the process without clean-up, after at most FLUSH_S for writing what was logged."""
    standard_error().drain(FLUSH_S)
    os._exit(code)


def say_error(message: str, *traceback_lines: str) -> None:
    """Queues the line that says why the process ends, with control characters escaped."""
    standard_error().write(f"error: {escaped(message)}\n")
    for line in traceback_lines:
        standard_error().write(f"  {escaped(line)}\n")  # indented, so that none looks like an `error:` line


def log_aside(say: Callable[[], object], wait_s: float = 0.0) -> None:
    """Logs on a separate thread and waits at most `wait_s` for it.

    For a thread that must continue even if logging blocks.
    """
    thread = threading.Thread(target=say, name="log", daemon=True)
    thread.start()
    thread.join(wait_s)


def unforeseen(error: BaseException) -> str:
    """Describes an exception by its type and innermost frames; adds the message only at level `debug`."""
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
    """Whether the reader of standard output has closed it."""
    poller = select.poll()
    poller.register(1, 0)  # no events: POLLERR and POLLHUP are reported in any case
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poller.poll(0))
