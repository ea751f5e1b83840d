"""Untrusted texts on an operator's terminal."""

from __future__ import annotations

import io
import json
import re
import sys
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
import pytest
import structlog
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from consumer.commands.config import lines
from consumer.offline import score as offline
from consumer.preflight import checks
from consumer.settings import ConsumerSettings
from shared.errors import ArtifactError
from shared.logs import configure_logs, exit_with
from shared.messages import ModelRef, Result
from shared.terminal import SIGNS, escaped, printable, say, show
from trainer.evaluation.metrics import figures
from trainer.evaluation.report import figures_table

if TYPE_CHECKING:
    from collections.abc import Callable


def shown(text: str) -> str:
    """The output for a colour terminal."""
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
        ("\U000e0041", "\\udb40\\udc41"),
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


TEXTS = st.text(st.characters() | st.sampled_from("\x1b\x9b\x07\n\r\u202e\u2066\ud800\U000e0041\x7f[]"))
NO_EFFECT = re.compile(r"\x1b\[[0-9;]*m")
"""Colours, which are our own."""


def harmless(line: str) -> bool:
    """Whether no character has an effect."""
    effects = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return not any(unicodedata.category(char) in effects for char in line if char != "\u200d")


@given(TEXTS)
def test_an_escaped_text_is_one_harmless_line(text: str) -> None:
    """Given any text, when escaped, then nothing in it has an effect, and harmless parts are unchanged."""
    assert harmless(escaped(text))
    assert escaped(escaped(text)) == escaped(text)
    assert escaped("plain \N{SNOWMAN} caf\u00e9") == "plain \N{SNOWMAN} caf\u00e9"


@given(TEXTS)
def test_an_escaped_line_of_json_says_the_same(text: str) -> None:
    """Given any JSON, when escaped, then it is harmless and parses to the same value."""
    line = escaped(json.dumps({text: [text]}, ensure_ascii=False))
    assert json.loads(line) == {text: [text]}


class Said(io.StringIO):
    """The output on standard output and error, without the queue before the latter."""

    def drain(self, _seconds: float) -> None:
        """Nothing is queued."""


def failing(name: str) -> None:
    """A command that ends with an error about a name."""
    with pytest.raises(SystemExit):
        exit_with(lambda: (_ for _ in ()).throw(ArtifactError(f"{name} is not listed")))


def failing_unforeseen(name: str) -> None:
    """A command that ends with an unexpected error, at level debug."""
    structlog.reset_defaults()
    configure_logs("debug")
    with pytest.raises(SystemExit):
        exit_with(lambda: (_ for _ in ()).throw(ValueError(name)))


def logging(name: str) -> None:
    """A log line, as JSON."""
    structlog.reset_defaults()
    configure_logs()
    structlog.get_logger().info("model_ready", name=name, labels=[name])


def logging_on_a_terminal(name: str) -> None:
    """A log line for people."""
    structlog.reset_defaults()
    with mock.patch.object(Said, "isatty", return_value=True):
        configure_logs()
    structlog.get_logger().info("model_ready", name=name, labels=[name])


def checking(name: str) -> None:
    """A line of `check`, and one that fails."""
    report = vars(checks)["_Report"]()
    report.line("model", lambda: name, str)
    report.line("model", lambda: (_ for _ in ()).throw(ArtifactError(name)), str)


def showing_the_configuration(name: str) -> None:
    """`config show`, a value and where it comes from."""
    for line in lines(ConsumerSettings(model=Path(name)), {"model": name}):
        say(line)


def scoring_on_a_terminal(name: str) -> None:
    """The table of `score`."""
    table = vars(offline)["_table"]((name, "other"))
    table.add_row(*vars(offline)["_row"](result(name)))
    Console().print(table)


def scoring_in_a_pipe(name: str) -> None:
    """A line of `score --json`."""
    say(result(name).model_dump_json())


def result(name: str) -> Result:
    """An answer with a hostile label."""
    name = name.encode(errors="replace").decode()  # JSON holds no lone surrogates
    return Result(
        id=name,
        label=name,
        score=1,
        probabilities={name: 1, "other": 0},
        uncertain=False,
        truncated=False,
        tokens=3,
        model=ModelRef(name=name, version="1"),
        source=None,
        scored_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def training(name: str) -> None:
    """The last output of `train` and `evaluate`."""
    labels = (name, f"{name}-other")
    found = figures(np.array([[1.0, 0.0], [0.0, 1.0]] * 5), np.array([0, 1] * 5), labels)
    show(figures_table(f"{name} on {name}", found))
    show(f"{name}: version {name}")


OUTLETS = [
    failing, failing_unforeseen, logging, logging_on_a_terminal, checking, showing_the_configuration,
    scoring_on_a_terminal, scoring_in_a_pipe, training,
]  # fmt: skip


@pytest.mark.parametrize("outlet", OUTLETS)
@settings(max_examples=25, deadline=None)
@given(name=TEXTS)
@example(name="\x1b]0;owned\x07\x1b[2Jx\nerror: all is well")
@example(name="[bold]\x9b2J[/nothing]")
def test_no_name_reaches_a_terminal_raw(outlet: Callable[[str], None], name: str) -> None:
    """Given a hostile name in a model folder or a setting, when any command prints it, then it has no effect."""
    said = Said()
    with (
        mock.patch.object(sys, "stdout", said),
        mock.patch.object(sys, "stderr", said),
        mock.patch("shared.logs.standard_error", return_value=said),
    ):
        outlet(name)
    structlog.reset_defaults()
    found = said.getvalue()
    assert found
    for line in NO_EFFECT.sub("", found).split("\n"):
        assert harmless(line), ascii(line)
        assert not line.startswith("error: all is well")
