"""What one publish writes: encoded and counted before the outbox begins, so that nothing is decided within it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

from consumer.encode import Moment
from consumer.records import DeadLetter, Score

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from consumer.encode import Encoder
    from consumer.records import Document, Outgoing, Record, Unscorable


@dataclass(slots=True)
class Batch:
    """One micro-batch on its way."""

    records: list[Record]
    documents: list[Document]
    dead_letters: list[DeadLetter]
    scores: Future[list[Score | Unscorable]]
    read_at: float
    size: int
    """Bytes of its records."""

    @property
    def is_scored(self) -> bool:
        """Whether its scores are there; not where the scorer raised."""
        return self.scores.done() and self.scores.exception() is None


class Publication:
    """The rows of scored batches that are still this member's, encoded. Immutable."""

    def __init__(self, batches: Sequence[Batch], encoder: Encoder) -> None:
        self._batches = batches
        self.records = [record for batch in batches for record in batch.records if record.owner.held]
        """In order; what was read of the input, whatever became of it."""
        letters = [letter for batch in batches for letter in batch.dead_letters if letter.record.owner.held]
        self.results: list[Outgoing] = []
        now = Moment.of(datetime.now(UTC))
        for batch in batches:
            for document, score in zip(batch.documents, batch.scores.result(), strict=True):
                if not document.record.owner.held:
                    continue
                encoded = (
                    encoder.result(document, score, now)
                    if isinstance(score, Score)
                    else DeadLetter(document.record, "score", score.error, score.reason)
                )
                if isinstance(encoded, DeadLetter):
                    letters.append(encoded)
                else:
                    self.results.append(encoded)
        self.letters = [encoder.dead_letter(letter) for letter in letters]
        dead = {id(letter.record) for letter in letters}
        self.outcomes = [id(record) in dead for record in self.records]
        """For each of `records` whether it is a dead letter."""

    def cost(self) -> dict[str, float]:
        """Tokens that the model read, the share of computed ones that were padding, and texts that cost none."""
        computed, tokens, repeated = 0.0, 0, 0
        for score in chain.from_iterable(batch.scores.result() for batch in self._batches):
            if isinstance(score, Score) and score.computed_tokens:
                computed += score.computed_tokens
                tokens += score.tokens
            else:
                repeated += isinstance(score, Score)
        return {
            "tokens": tokens,
            "padding": round(1 - tokens / computed, 3) if computed else 0.0,
            "repeated": repeated,
        }
