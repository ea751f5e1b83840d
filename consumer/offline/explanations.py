"""`score --explain`: which words gave a text its label, as JSON or as signed bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from shared.errors import SettingsError
from shared.inference.device import require_torch
from shared.inference.explanation.occlusion import by_occlusion
from shared.inference.explanation.words import Explanation, Method
from shared.inference.types import Segments
from shared.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.inference.scheduler import Scheduler
    from shared.inference.types import Scorer
    from shared.messages import Result
    from shared.model_folder.artifact import Artifact

BAR_CELLS: Final = 20
"""Width of the bar of the largest weight."""


def explainer(
    artifact: Artifact, scorer: Scorer, scoring: Scheduler, method: Method
) -> Callable[[str], Explanation | None]:
    """A function that explains raw texts which have a score; None where none is left.

    Raises SettingsError for gradients of a model of words, or without torch; with gradients, the function raises
    it too, for a text that is read in segments.
    """
    if method is Method.OCCLUSION:
        return lambda text: _found(by_occlusion(scoring.score, scorer.normalise(text)))
    if artifact.manifest.reads_words:
        raise SettingsError(
            f"{artifact.path} holds a model of words, which gives no gradients: use --explain occlusion"
        )
    require_torch("--explain gradients")
    from shared.inference.explanation.gradients import IntegratedGradients  # noqa: PLC0415 - imports torch

    gradients = IntegratedGradients(artifact)

    def explain(text: str) -> Explanation | None:
        clean = scorer.normalise(text)
        if isinstance(scorer.tokenise([clean])[0], Segments):
            raise SettingsError(
                "a text is too long for --explain gradients, as it is read in segments: use --explain occlusion"
            )
        return _found(gradients.explain(clean))

    return explain


def bars(result: Result, found: Explanation | None) -> Table:
    """One line for each word: its weight, and a bar to the right for the label or to the left against it."""
    title = Text(f"{result.label} {result.score:.3f}")
    table = Table("word", "adds", "against", "for", title=title, title_justify="left", box=None)
    table.columns[1].justify = table.columns[2].justify = "right"
    words = found.words if found else ()
    largest = max((abs(word.weight) for word in words), default=0.0) or 1.0
    for word in words:
        bar = "█" * round(abs(word.weight) / largest * BAR_CELLS)
        against, towards = (bar, "") if word.weight < 0 else ("", bar)
        table.add_row(
            printable(word.text, max_chars=40),
            f"{word.weight:+.2f}",
            Text(against, "red"),
            Text(towards, "green"),
        )
    return table


def _found(what: object) -> Explanation | None:
    return what if isinstance(what, Explanation) else None
