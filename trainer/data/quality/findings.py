"""What the data report found: the one structure behind the tables, the JSON file and the HTML report.

Rows are named by their ids. A text is in it only if the user asked for texts.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Finding(BaseModel):
    """A part of the report; never changed once it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Scope(Finding):
    """The rows that a check looked at."""

    rows: int
    of: int
    """Rows of the data; more than `rows` if a random sample was drawn."""

    @property
    def is_sample(self) -> bool:
        """Whether not all rows were looked at."""
        return self.rows < self.of


class Row(Finding):
    """One row."""

    id: str
    label: str
    part: str | None = None
    text: str | None = None
    """Only with `--show-texts`."""


class Classes(Finding):
    """Rows by label."""

    rows: dict[str, int]
    by_part: dict[str, dict[str, int]]
    """Rows by label for each part; empty if the data have no parts."""

    @property
    def shares(self) -> dict[str, float]:
        """Shares of all rows, by label."""
        total = sum(self.rows.values())
        return {label: rows / total for label, rows in self.rows.items()}


class Lengths(Finding):
    """How long the texts are, as the model counts, and what its tokenizer does not know."""

    unit: Literal["tokens", "words"]
    base: str | None
    """The base whose tokenizer counted; None: words between blanks."""
    window: int | None
    """Tokens that the base reads of a text, special tokens included; None if unknown."""
    median: int
    p95: int
    p99: int
    longest: int
    over_window: int
    """Rows that are longer: their rest is not read."""
    with_unknown: int
    """Rows with a token that the tokenizer does not know."""
    unknown_share: float
    """Mean share of unknown tokens."""
    scope: Scope


class Scripts(Finding):
    """Rows by the script of most of their letters."""

    rows: dict[str, int]
    scope: Scope


class Conflict(Finding):
    """Rows with one text, or nearly one, and several labels."""

    rows: tuple[Row, ...]


class Repeats(Finding):
    """Texts that occur several times."""

    groups: int
    rows: int
    """Rows beyond the first of each group."""
    conflicting_groups: int
    conflicting_rows: int
    conflicts: tuple[Conflict, ...]
    """The first ones."""
    scope: Scope


class Overlap(Finding):
    """Rows of one part whose text is in another part as well."""

    part: str
    other: str
    exact: int
    """Rows of `part` whose normalised text is in `other`, of all rows."""
    near: int
    """Further rows with a near-duplicate there, of those in the scope."""
    rows: tuple[str, ...]
    """The ids of the first ones."""
    near_scope: Scope


class LabelError(Finding):
    """A row whose label is probably wrong."""

    row: Row
    suggested: str
    confidence: float = Field(ge=0, le=1)
    """Probability of the label that the row has, by a model that did not train on it."""


class LabelErrors(Finding):
    """Labels that are probably wrong."""

    skipped: str | None = None
    """Why the check was not made."""
    rows: int = 0
    listed: tuple[LabelError, ...] = ()
    """The least probable labels first."""
    unchecked_labels: tuple[str, ...] = ()
    """Labels with too few rows."""
    scope: Scope


class Window(Finding):
    """A span of time, and the shares of the labels in it."""

    first: datetime
    last: datetime
    rows: int
    shares: dict[str, float]


class Drift(Finding):
    """Time range, and how the shares of the labels move."""

    skipped: str | None = None
    """Why there is nothing to say."""
    windows: tuple[Window, ...] = ()
    shift: float = 0.0
    """Largest total variation distance between the shares of a window and those of all rows, 0 to 1."""
    by_chance: float = 0.0
    """The same for the rows in random orders: the largest of several."""


class DataQuality(Finding):
    """The whole report."""

    data: str
    rows: int
    used: int
    left_out: dict[str, int]
    repeated_ids: int
    """Rows whose id an earlier row has, with another text; each is used."""
    parts: dict[str, int]
    classes: Classes
    lengths: Lengths
    scripts: Scripts
    exact: Repeats
    near: Repeats
    overlaps: tuple[Overlap, ...]
    label_errors: LabelErrors
    drift: Drift

    def as_json(self) -> str:
        """JSON that UTF-8 can hold: ids and texts may have a lone surrogate, which becomes a question mark."""
        words = json.dumps(self.model_dump(), indent=2, ensure_ascii=False, default=datetime.isoformat)
        return words.encode("utf-8", "replace").decode() + "\n"

    def faults(self) -> list[str]:
        """What makes `--strict` fail: overlaps of parts, and texts with several labels; one phrase each."""
        found = [
            f"{one.exact:,} rows of the {one.part} part are in the {one.other} part too, "
            f"and {one.near:,} more have a near-duplicate there"
            for one in self.overlaps
            if one.exact or one.near
        ]
        if self.exact.conflicting_groups:
            found.append(f"{self.exact.conflicting_groups:,} texts have several labels")
        return found
