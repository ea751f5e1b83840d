"""What one publish writes: encoded while it is written, so that Kafka works on the first rows meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

from consumer.encode import Moment
from consumer.records import DeadLetter, Score

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from consumer.breaker import Breaker
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
    """The rows of scored batches that are still this member's.

    An outbox takes `results` to its end and then `dead_letters`: whether a result is too large to be written,
    and so a dead letter, shows only when it is encoded.
    """

    def __init__(self, batches: Sequence[Batch], *, encoder: Encoder, breaker: Breaker) -> None:
        self.records = [record for batch in batches for record in batch.records if record.owner.held]
        self.breaker = breaker
        """What the breaker becomes when all is published; complete after `dead_letters`."""
        self.written = 0
        """Results so far."""
        self.letters = [letter for batch in batches for letter in batch.dead_letters if letter.record.owner.held]
        """Dead letters so far."""
        self._batches = batches
        self._encoder = encoder

    def results(self) -> Iterator[Outgoing]:
        """Encodes the results in order; what cannot be one joins the dead letters."""
        now = Moment.of(datetime.now(UTC))
        for batch in self._batches:
            for document, score in zip(batch.documents, batch.scores.result(), strict=True):
                if not document.record.owner.held:
                    continue
                encoded = (
                    self._encoder.result(document, score, now)
                    if isinstance(score, Score)
                    else DeadLetter(document.record, "score", score.error, score.reason)
                )
                if isinstance(encoded, DeadLetter):
                    self.letters.append(encoded)
                else:
                    self.written += 1
                    yield encoded

    def dead_letters(self) -> Iterator[Outgoing]:
        """Encodes the dead letters; raises TooManyDeadLetters before the first if they must not be written."""
        dead = {id(letter.record) for letter in self.letters}
        self.breaker = self.breaker.after([id(record) in dead for record in self.records])
        for letter in self.letters:
            yield self._encoder.dead_letter(letter)

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
