"""Texts of strangers on an operator's terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from shared.terminal import SIGNS, printable


def shown(text: str) -> str:
    """What a colour terminal would receive."""
    console = Console(file=io.StringIO(), force_terminal=True, width=500, color_system="truecolor")
    console.print(printable(text), end="")
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("\x1b[31mred\x1b[0m", "\\u001b[31mred\\u001b[0m"),
        ("\x1b]0;title\x07", "\\u001b]0;title\\u0007"),
        ("\x9b2J", "\\u009b2J"),
        ("a\u202eevil\u2066", "a\\u202eevil\\u2066"),
        ("one\ntwo\r\tthree", "one two  three"),
        ("[bold red]markup[/]", "[bold red]markup[/]"),
        ("[link=file:///etc]x[/link]", "[link=file:///etc]x[/link]"),
        (":smile: http://x.y 123", ":smile: http://x.y 123"),
        ("\u2028\u2029\ue000\ud800", "\\u2028\\u2029\\ue000\\ud800"),
        ("\U000e0041", "\\ue0041"),
        ("\N{WOMAN}\u200d\N{GIRL} caf\u00e9", "\N{WOMAN}\u200d\N{GIRL} caf\u00e9"),
    ],
)
def test_hostile_text_has_no_effect(hostile: str, harmless: str) -> None:
    """Given control sequences, direction marks, line ends or markup, when shown, then they are only characters."""
    assert shown(hostile) == harmless


def test_a_long_text_is_cut() -> None:
    """Given a text longer than the limit, when shown, then it ends with an ellipsis at the limit."""
    assert printable("x" * 201).plain == "x" * 199 + "\N{HORIZONTAL ELLIPSIS}"
    assert printable("x" * 200).plain == "x" * 200


def test_labels_are_told_apart_without_colour() -> None:
    """Given the labels' signs, when compared, then signs and colours all differ."""
    assert len({sign for sign, _ in SIGNS.values()}) == len({colour for _, colour in SIGNS.values()}) == len(SIGNS)
