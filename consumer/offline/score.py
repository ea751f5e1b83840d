"""`sentiment-consumer score`: the same decoder, scorer and encoder as the stream, without Kafka."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from consumer.offline.explanations import bars, explainer
from consumer.stream.encode import answer
from shared.errors import BadRecord, InputDataError
from shared.formats import InputFormat, parse_input
from shared.formats.parsed import MAX_ID_CHARS, ParsedInput
from shared.inference.engines.select import load_scorer
from shared.inference.scheduler import Scheduler
from shared.inference.types import Score, Unscorable
from shared.model_folder.artifact import open_artifact
from shared.reasons import Reason
from shared.terminal import SIGNS, printable, say, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

    from consumer.settings import ConsumerSettings
    from shared.inference.explanation.words import Method
    from shared.messages import Result

WINDOW_LINES: Final = 1_024
WINDOW_BYTES: Final = 8 * 2**20
"""Lines and bytes of one window: its lines are scored together and answered when it is full or the input ends."""
NAMED: Final = 20
"""Skipped lines that are named; further ones are only counted, so that a wrong file does not flood a terminal."""


def score_texts(
    settings: ConsumerSettings, texts: list[str] | None, *, as_json: bool, skip: bool, method: Method | None = None
) -> None:
    """Scores arguments or standard input and prints tables, or JSON Lines with `as_json` or in a pipe.

    Answers are in the order of the lines, and memory holds one window of them. With `skip` a line that cannot be
    read or scored is named on standard error, the lines after it are answered too, and InputDataError counts what
    was skipped at the end. Without, it ends with InputDataError after the answers to all lines before. With a
    `method` each answer has its explanation.
    """
    artifact = open_artifact(settings.model_folder)
    scorer = load_scorer(artifact, settings.device, settings.precision)
    scoring = Scheduler(scorer, batch_tokens=settings.limits.batch_tokens)
    form = settings.input_format if as_json and not texts else replace(settings.input_format, kind="text")
    lines = map(_argument, texts) if texts else _lines(sys.stdin.buffer, form.max_bytes)
    numbered = _Numbered("text" if texts else "line", skip=skip)
    results = (
        answer(
            score,
            identity=parsed.id or place,
            source=None,
            at=datetime.now(UTC),
            uncertain_below=settings.uncertain_below,
            max_unknown_share=settings.max_unknown_share,
        ).model_copy(update={"text": parsed.text})
        for place, parsed, score in numbered.scored(scoring, (_input(line, form) for line in lines))
    )
    as_json = as_json or not sys.stdout.isatty()
    if method is not None:
        explain = explainer(artifact, scorer, scoring, method)
        for result in results:
            found = explain(result.text or "")
            if as_json:
                say(json.dumps(result.model_dump(mode="json") | {"explanation": found and found.rounded()}))
            else:
                show(bars(result, found))
    elif as_json:
        for result in results:
            say(result.model_dump_json())
    else:
        _print_tables(results, scorer.model.labels)


class _Numbered:
    """Lines by their numbers, from 1, and what becomes of those without a score."""

    def __init__(self, unit: str, *, skip: bool) -> None:
        self._unit = unit
        self._skip = skip
        self._lines = 0
        self._skipped = 0
        self._unusable_ids = 0

    def scored(
        self, scoring: Scheduler, inputs: Iterable[ParsedInput | Unscorable]
    ) -> Iterator[tuple[str, ParsedInput, Score]]:
        """Scores in windows; yields a line's name, as line-7, with what it says. Raises InputDataError."""
        for window in _windows(inputs):
            # A bad line waits for its turn: raised while it was read, it cost up to 1,023 others their results.
            scores = iter(scoring.score([one.text for one in window if isinstance(one, ParsedInput)]))
            for one in window:
                self._lines += 1
                score = next(scores) if isinstance(one, ParsedInput) else one
                if isinstance(one, ParsedInput) and isinstance(score, Score):
                    self._unusable_ids += one.id_unusable
                    yield f"{self._unit}-{self._lines}", one, score
                elif isinstance(score, Unscorable):
                    self._leave_out(score.reason)
        if self._unusable_ids:
            say(
                f"{self._unusable_ids} results are called by their {self._unit}: an id is a string or a whole "
                f"number of 1 to {MAX_ID_CHARS} characters",
                error=True,
            )
        if self._skipped:
            named = "each is" if self._skipped <= NAMED else f"the first {NAMED} are"
            raise InputDataError(
                f"no result for {self._skipped} of {self._lines} {self._unit}s; {named} named above"
            )

    def _leave_out(self, reason: str) -> None:
        problem = f"{self._unit} {self._lines}: {reason}"
        if not self._skip:
            raise InputDataError(problem)
        self._skipped += 1
        if self._skipped <= NAMED:
            say(f"skipped {problem}", error=True)


def _argument(text: str) -> bytes:
    # Python turns bytes of an argument that are not UTF-8 into surrogates; the decoder is to see the bytes.
    return text.encode(errors="surrogateescape")


def _lines(stream: BinaryIO, max_bytes: int) -> Iterator[bytes]:
    """Lines without their ends; of one of more than `max_bytes` only a part that is more, which bounds memory."""
    # Room for one byte too many, by which `_input` sees that the line is too long, and for a line end.
    while line := stream.readline(max_bytes + len("x\r\n")):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(max_bytes)
        yield line.rstrip(b"\r\n")


def _input(line: bytes, form: InputFormat) -> ParsedInput | Unscorable:
    """Reads a line as the stream reads a value; a blank one has no text, whatever the format."""
    if len(line) > form.max_bytes:
        return Unscorable(Reason.BAD_RECORD, f"it has more bytes than the limit of {form.max_bytes}")
    if not line.strip():
        return Unscorable(Reason.BAD_RECORD, "it is blank; there is no text to score")
    try:
        return parse_input(line, form)
    except BadRecord as error:
        return Unscorable(Reason.BAD_RECORD, str(error))


def _windows(inputs: Iterable[ParsedInput | Unscorable]) -> Iterator[list[ParsedInput | Unscorable]]:
    window: list[ParsedInput | Unscorable] = []
    size = 0
    for one in inputs:
        window.append(one)
        size += len(one.text.encode(errors="surrogatepass")) if isinstance(one, ParsedInput) else 0
        if len(window) == WINDOW_LINES or size >= WINDOW_BYTES:
            yield window
            window, size = [], 0
    if window:
        yield window


def _print_tables(results: Iterable[Result], labels: Sequence[str]) -> None:
    """One table for every WINDOW_LINES results; what is there is printed, too, where an error ends them."""
    console, table = Console(), _table(labels)
    try:
        for result in results:
            if table.row_count == WINDOW_LINES:
                console.print(table)
                table = _table(labels)
            table.add_row(*_row(result))
    finally:
        if table.row_count:
            console.print(table)


def _table(labels: Sequence[str]) -> Table:
    table = Table("label", "probability", *(Column(printable(label)) for label in labels), "text")
    for column in table.columns[1:-1]:
        column.justify = "right"
    return table


def _row(result: Result) -> list[Text]:
    sign, style = SIGNS.get(result.label, ("", ""))
    unknown = f" ({result.unknown_share:.0%} unknown)" if result.unknown_share else ""
    numbers = [Text(f"{value:.3f}") for value in (result.score, *result.probabilities.values())]
    return [
        Text(f"{sign} {printable(result.label)}{unknown}".strip(), style),
        *numbers,
        printable(result.text or ""),
    ]
