"""`sentiment-consumer score`: the same decoder, scorer and encoder as the stream, without Kafka."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import count, islice
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from consumer.encode import answer
from consumer.records import Unscorable
from consumer.scorer.choose import load_scorer
from consumer.scoring import Scoring
from shared.artifact import open_artifact
from shared.errors import BadRecord, InputDataError
from shared.messages import ModelRef, ParsedInput, parse_input
from shared.terminal import SIGNS, printable, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from consumer.settings import ConsumerSettings
    from shared.messages import Result

WINDOW = 1_024
"""Lines scored together; an answer appears once its window is full or the input ends."""


def score_texts(settings: ConsumerSettings, texts: list[str] | None, *, as_json: bool) -> None:
    """Scores arguments or standard input and prints a table, or JSON Lines with `as_json` or in a pipe.

    Raises InputDataError with the line's number and reason for a line that cannot be read or scored.
    """
    artifact = open_artifact(settings.model_folder)
    scorer = load_scorer(artifact, settings.device, settings.precision)
    scoring = Scoring(scorer, batch_tokens=settings.limits.batch_tokens)
    model = ModelRef(name=artifact.manifest.name, version=artifact.version)
    inputs = _inputs(settings, texts, as_json=as_json)
    table = None if as_json or not sys.stdout.isatty() else _table(scorer.labels)
    numbers = count(1)
    while window := list(islice(inputs, WINDOW)):
        scores = scoring.score([parsed.text for parsed in window])
        for parsed, score in zip(window, scores, strict=True):
            number = next(numbers)
            if isinstance(score, Unscorable):
                raise InputDataError(f"line {number} cannot be scored: {score.reason}")
            result = answer(
                score,
                labels=scorer.labels,
                model=model,
                identity=parsed.id or "",
                source=None,
                at=datetime.now(UTC),
                uncertain_below=settings.uncertain_below,
            )
            if table is None:
                say(result.model_copy(update={"text": parsed.text}).model_dump_json())
            else:
                table.add_row(*_row(result, parsed.text))
    if table is not None:
        Console().print(table)


def _inputs(settings: ConsumerSettings, texts: list[str] | None, *, as_json: bool) -> Iterator[ParsedInput]:
    lines: Iterable[bytes] = (
        [text.encode(errors="surrogateescape") for text in texts] if texts else sys.stdin.buffer
    )
    form = settings.input_format
    for number, line in enumerate(lines, start=1):
        try:
            if as_json and not texts:
                yield parse_input(line, form)
            else:
                yield ParsedInput(line.decode().rstrip("\r\n"), None)
        except BadRecord as reason:
            raise InputDataError(f"line {number}: {reason}") from None
        except UnicodeDecodeError:
            raise InputDataError(f"line {number} is not UTF-8") from None


def _table(labels: tuple[str, ...]) -> Table:
    table = Table("label", "probability", *(Column(printable(label)) for label in labels), "text")
    for column in table.columns[1:-1]:
        column.justify = "right"
    return table


def _row(result: Result, text: str) -> list[Text]:
    sign, style = SIGNS.get(result.label, ("", ""))
    numbers = [Text(f"{value:.3f}") for value in (result.score, *result.probabilities.values())]
    return [Text(f"{sign} {printable(result.label)}".strip(), style), *numbers, printable(text)]
