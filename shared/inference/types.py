"""What is asked of a model and what it answers, whatever runs it. Plain immutable values; no library of models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence, Sized

    from shared.reasons import Reason


class Score(NamedTuple):
    """The model's answer to one text."""

    probabilities: tuple[float, ...]
    """Calibrated, in the order of the model's labels; they sum to 1."""
    tokens: int
    computed_tokens: float
    """What it cost: its share of the tokens of its forward pass, padding included; 0 if an equal text paid."""
    truncated: bool


@dataclass(frozen=True, slots=True)
class Unscorable:
    """Why one text has no score though the model is well. The reason never quotes the text."""

    error: Reason
    reason: str


class Scorer(Protocol):
    """A resident model, in the steps that `Scheduler` runs on its threads.

    Rows are the scorer's own; the length of one is the number of its tokens. A text is normalised and
    tokenised by one thread; up to `concurrency` others are inside `forward`.
    """

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the probabilities of every score, in their order."""
        ...

    @property
    def concurrency(self) -> int:
        """How many passes at once keep the device busy."""
        ...

    @property
    def batch_tokens(self) -> int:
        """Tokens of a pass at which the device is at its best."""
        ...

    @property
    def padding(self) -> int | None:
        """Tokens of padding that cost as much as another pass; None where rows are not padded."""
        ...

    def normalise(self, text: str) -> str:
        """What of a text the model is shown; equal strings have equal scores."""
        ...

    def tokenise(self, texts: Sequence[str]) -> Sequence[Sized | Unscorable]:
        """Makes a row of each normalised text; raises ScorerError where the tokenizer itself is unfit."""
        ...

    def forward(self, rows: Sequence[Any]) -> Sequence[Score | None]:
        """Runs one pass and answers in the order of its rows; None where an answer is not finite.

        Raises PassFailed, OutOfMemory, or ScorerError where the device or the model, and not a text, is why.
        """
        ...

    def describe(self) -> dict[str, str]:
        """Model name and version, engine and device, for logs and results."""
        ...
