"""The result of the suite for people: a table on the terminal, a section of the model card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from shared.terminal import escaped
from trainer.evaluation.markdown import code, plain
from trainer.evaluation.markdown import table as markdown_table

if TYPE_CHECKING:
    from trainer.evaluation.behaviour.results import Behaviour, CapabilityResult, Failure

HEADINGS = ("capability", "failures", "95 % interval", "cases", "worst test")


def behaviour_table(found: Behaviour) -> Table | str:
    """One line for each capability, or why the suite was not run."""
    if found.skipped:
        return f"The behaviour suite was not run: {found.skipped}"
    title = f"Behaviour: {found.sentences:,} sentences of suite {found.suite}"
    table = Table(title=Text(escaped(title)), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in {HEADINGS[0], HEADINGS[-1]} else "right")
    for row in _rows(found):
        table.add_row(*map(Text, row))
    return table


def behaviour_section(found: Behaviour) -> str:
    """The section of the card, in Markdown, with one failure of each test that has any."""
    if found.skipped:
        return f"Not run: {plain(found.skipped)}."
    left_out = sorted({reason for one in found.capabilities.values() for reason in one.left_out})
    counts = ", ".join(
        f"{sum(one.left_out.get(reason, 0) for one in found.capabilities.values()):,} ({reason})"
        for reason in left_out
    )
    about = (
        f"{found.sentences:,} English sentences made from templates (suite `{found.suite}`), scored by "
        f"{found.engine}. A failure is an answer that contradicts the sentence, or that turns although only "
        "something else changes."
    )
    return "\n\n".join(
        [
            about,
            markdown_table(HEADINGS, _rows(found)),
            *([f"Cases left out: {counts}."] if counts else []),
            *(["Failures, for example:\n\n" + examples] if (examples := _examples(found)) else []),
        ]
    )


def percent(rate: float) -> str:
    """A failure rate, for display."""
    return f"{rate:.1%}"


def _rows(found: Behaviour) -> list[tuple[str, ...]]:
    return [
        (
            name,
            percent(result.failure_rate),
            f"{percent(result.interval[0])} - {percent(result.interval[1])}",
            f"{result.cases:,}",
            _worst(result),
        )
        for name, result in found.capabilities.items()
    ]


def _worst(result: CapabilityResult) -> str:
    name, test = max(result.tests.items(), key=lambda one: one[1].failure_rate)
    return f"{name} {percent(test.failure_rate)}" if test.failures else "-"


def _examples(found: Behaviour) -> str:
    return "\n".join(
        f"- {name}, {test_name} ({percent(test.failure_rate)}): {_quoted(test.examples[0])}"
        for name, result in found.capabilities.items()
        for test_name, test in result.tests.items()
        if test.examples
    )


def _quoted(failure: Failure) -> str:
    return "; ".join(
        f'"{plain(text)}" {code(label)}' for text, label in zip(failure.texts, failure.labels, strict=True)
    )
