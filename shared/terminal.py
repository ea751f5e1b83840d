"""Printing labels, names and hostile text; all output for people goes through this module.

A name in a model folder, a settings file or a topic is as untrusted as a text of the stream.
"""

from __future__ import annotations

import sys
import unicodedata
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import RenderableType
    from rich.status import Status

SIGNS: Final = {
    "negative": ("\N{BLACK DOWN-POINTING TRIANGLE}", "#D55E00"),
    "neutral": ("\N{BLACK CIRCLE}", "#6B7280"),
    "positive": ("\N{BLACK UP-POINTING TRIANGLE}", "#0072B2"),
}
"""Sign and colour by label: labels also differ without colour, and no pair is red and green."""

_SHOWN_AS_ESCAPE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINER: Final = "\u200d"  # of category Cf too, but harmless, and without it one emoji falls apart into several
_LINE_ENDS: Final = str.maketrans("\t\n\r", "   ")


def escaped(text: str) -> str:
    r"""Makes one line in which no character controls the terminal.

    Line ends, control characters and direction marks become escapes such as \u001b, as in JSON: a line of JSON
    keeps its meaning.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def few(names: Sequence[str], most: int = 8, show: Callable[[str], str] = repr) -> str:
    """Names for a sentence: a model may have a thousand labels."""
    more = len(names) - most
    return ", ".join(map(show, names[:most])) + (f" and {more:,} more" if more > 0 else "")


def printable(text: str, max_chars: int = 200) -> Text:
    """A text of the stream as one line; control characters, direction marks and markup have no effect."""
    cut = text if len(text) <= max_chars else text[: max_chars - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return Text(escaped(cut.translate(_LINE_ENDS)))


def say(line: str, *, error: bool = False) -> None:
    """Prints one line, escaped, to standard output or error."""
    print(escaped(line), file=sys.stderr if error else sys.stdout, flush=error)


def show(what: str | RenderableType) -> None:
    """Prints a line, or a renderable whose texts are escaped already, to standard output."""
    line = Text(escaped(what)) if isinstance(what, str) else what
    Console(soft_wrap=True, highlight=False).print(line)


def busy(message: str) -> Status:
    """A spinner with a message on standard error, during a slow operation."""
    return Console(stderr=True).status(Text(escaped(message)))


def _shown(char: str) -> str:
    if char == _JOINER or unicodedata.category(char) not in _SHOWN_AS_ESCAPE:
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
