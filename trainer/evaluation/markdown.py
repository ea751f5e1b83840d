"""Markdown from foreign names: labels, file names and ids stay text, wherever a page is rendered.

Viewers of Markdown pass HTML on, and load images from elsewhere: a label such as `<img src=...>` must do neither.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from shared.terminal import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

_SPECIAL: Final = re.compile(r"[\\`*\[\]<>|&~$]|(?<![^\W_])_|_(?![^\W_])")
"""What can begin markup within a line; an underscore within a word cannot."""


def plain(name: str) -> str:
    """A name that is shown as it is, on one line."""
    return _SPECIAL.sub(r"\\\g<0>", escaped(" ".join(name.split())))


def code(name: str) -> str:
    """A name as a code span, on one line, also in a table."""
    line = escaped(" ".join(name.split())).replace("|", r"\|")
    longest = max(map(len, re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {line} {fence}" if longest else f"`{line}`"


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose cells are Markdown already, with numbers in all columns but the first."""
    lines = [heading, ["---" if index == 0 else "---:" for index in range(len(heading))], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
