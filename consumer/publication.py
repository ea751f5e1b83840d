"""What one publish writes: encoded while it is written, so that Kafka works on the first rows meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import merge
from itertools import chain
from typing import TYPE_CHECKING

from consumer.encode import Moment
from consumer.records import DeadLetter, Deletion, Document, Score

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from consumer.breaker import Breaker
    from consumer.encode import Encoder
    from consumer.records import Outgoing, Record, Unscorable


@dataclass(slots=True)
class Batch:
    """One micro-batch on its way."""

    records: list[Record]
    documents: list[Document]
    dead_letters: list[DeadLetter]
    deletions: list[Deletion]
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
        self.nulls = 0
        """Deletions so far that were skipped or forwarded."""
        self.letters = [letter for batch in batches for letter in batch.dead_letters if letter.record.owner.held]
        """Dead letters so far."""
        self._batches = batches
        self._encoder = encoder

    def results(self) -> Iterator[Outgoing]:
        """Encodes the results in order; what cannot be one joins the dead letters."""
        now = Moment.of(datetime.now(UTC))
        for batch in self._batches:
            for one, score in _in_order(batch):
                if not one.record.owner.held:
                    continue
                encoded = self._encoded(one, score, now)
                if isinstance(encoded, DeadLetter):
                    self.letters.append(encoded)
                    continue
                self.written += isinstance(one, Document)
                self.nulls += isinstance(one, Deletion)
                if encoded is not None:
                    yield encoded

    def _encoded(
        self, one: Document | Deletion, score: Score | Unscorable | None, now: Moment
    ) -> Outgoing | DeadLetter | None:
        if isinstance(one, Deletion):
            return self._encoder.deletion(one, now)
        if isinstance(score, Score):
            return self._encoder.result(one, score, now)
        assert score is not None  # noqa: S101 - every document has an answer
        return DeadLetter(one.record, "score", score.error, score.reason)

    def dead_letters(self) -> Iterator[Outgoing]:
        """Encodes the dead letters; raises TooManyDeadLetters before the first if they must not be written."""
        dead = {id(letter.record) for letter in self.letters}
        # Deletions are ordinary: they are no letters, and between bad records they must not hide that all are bad.
        neutral = {id(deletion.record) for batch in self._batches for deletion in batch.deletions}
        self.breaker = self.breaker.after(
            [id(record) in dead for record in self.records if id(record) not in neutral]
        )
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


def _in_order(batch: Batch) -> Iterable[tuple[Document | Deletion, Score | Unscorable | None]]:
    """Documents with their answers, and deletions, as they were read: a deletion deletes what stands before it."""
    documents = zip(batch.documents, batch.scores.result(), strict=True)
    if not batch.deletions:
        return documents
    deletions = ((deletion, None) for deletion in batch.deletions)
    place = {id(record): number for number, record in enumerate(batch.records)}
    return merge(documents, deletions, key=lambda pair: place[id(pair[0].record)])
