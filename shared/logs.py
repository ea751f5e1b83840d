"""Logging: structlog on standard error, JSON lines unless that is a terminal, and how a process ends.

Text of the stream is never logged. So tracebacks carry frames but no local variables, and the message
of an unforeseen exception, which may quote its input, is shown only at level `debug`.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import structlog

from shared.errors import SentimentError
from shared.terminal import escaped, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, WrappedLogger

Level = Literal["debug", "info", "warning", "error"]

EXIT_UNFORESEEN = SentimentError.exit_code
EXIT_INTERRUPTED = 130


def configure_logs(level: Level = "info") -> None:
    """Sends structlog and warnings to standard error; call once, before the first log line."""
    console = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(
                [_harmless, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
                if console
                else [structlog.processors.JSONRenderer(_harmless_json)]
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s", force=True)


def _harmless(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
    """Takes the effect from names that are logged; the renderer shows what is no string by its `repr`."""
    return {name: escaped(value) if isinstance(value, str) else value for name, value in fields.items()}


def _harmless_json(fields: EventDict, **options: Any) -> str:
    """Somebody may read the file on a terminal, and JSON itself escapes ASCII's controls only."""
    return escaped(json.dumps(fields, ensure_ascii=False, **options))


def exit_with(command: Callable[[], object]) -> NoReturn:
    """Runs a command line and turns whatever ends it into one clear line and its exit code."""
    try:
        command()
    except SentimentError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _say("interrupted")
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has left: nothing to say, nobody to say it to
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 - the one place that meets what nobody foresaw
        _say(*unforeseen(error).split("\n"))
        sys.exit(EXIT_UNFORESEEN)
    sys.exit(0)


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


def _say(message: str, *traceback_lines: str) -> None:
    say(f"error: {message}", error=True)
    for line in traceback_lines:
        say(f"  {line}", error=True)  # indented, so that none passes for an error of ours
