"""What one publish writes: encoded and counted before the outbox begins, so that nothing is decided within it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import merge
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from consumer.events import BatchPublished
from consumer.stream.encode import Moment
from consumer.stream.records import DeadLetter, Deletion, Document
from shared.inference.types import Score
from shared.reasons import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from consumer.stream.encode import Encoder
    from consumer.stream.records import Outgoing, Record
    from shared.inference.types import Unscorable


_ID_UNUSABLE: Final = attrgetter("id_unusable")
_POSITION: Final = attrgetter("record.topic", "record.partition", "record.offset")


@dataclass(slots=True)
class Batch:
    """One micro-batch on its way."""

    records: list[Record]
    documents: list[Document]
    dead_letters: list[DeadLetter]
    deletions: list[Deletion]
    scores: Future[list[Score | Unscorable]]
    read_at: float
    looks: Mapping[str, int]
    """What its values look like, where that decides how they are read."""
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
        self.read_at = batches[0].read_at
        """When the first of them was read."""
        self.records = [record for batch in batches for record in batch.records if record.owner.held]
        """In order; what was read of the input, whatever became of it."""
        letters = [letter for batch in batches for letter in batch.dead_letters if letter.record.owner.held]
        self.outgoing: list[Outgoing] = []
        """Results, and nulls that are forwarded, in input order."""
        self._scores: list[Score] = []
        now = Moment.of(datetime.now(UTC))
        self.nulls = 0
        """Deletions that are skipped or forwarded."""
        self._forwarded = 0
        self._is_uncertain, self._is_unknown = encoder.is_uncertain, encoder.is_unknown
        # Before the outbox begins, so encoding and sending do not overlap: 0.7 % of the rate in exactly-once, with
        # a scorer of 1 ms for 32 messages (decision 9).
        for batch in batches:
            for one, score in _in_order(batch):
                if not one.record.owner.held:
                    continue
                encoded = _encoded(encoder, one, score, now)
                if isinstance(encoded, DeadLetter):
                    letters.append(encoded)
                    continue
                if isinstance(score, Score):
                    self._scores.append(score)
                else:
                    self.nulls += 1
                    self._forwarded += encoded is not None
                if encoded is not None:
                    self.outgoing.append(encoded)
        # They were found step by step; a replay sends them in their order, which is to be that of the input.
        letters.sort(key=_POSITION)
        self.letters = [encoder.dead_letter(letter) for letter in letters]
        self._errors = Counter((letter.stage, letter.error) for letter in letters)
        # By identity: a named tuple is hashed and compared by all of its content.
        dead = {id(letter.record) for letter in letters}
        # Deletions are ordinary: they are no letters, and between bad records they must not hide that all are bad.
        neutral = {id(deletion.record) for batch in batches for deletion in batch.deletions}
        self.outcomes = [id(record) in dead for record in self.records if id(record) not in neutral]
        """For each of `records` but deletions whether it is a dead letter."""

    @property
    def results(self) -> int:
        """Results in `outgoing`."""
        return len(self._scores)

    def event(self, *, scored_after_s: float, publish_s: float, lag_records: int) -> BatchPublished:
        """The event for observers, once all is committed. Tokens, ids and looks include revoked records."""
        computed, tokens, repeated = 0.0, 0, 0
        looks = Counter[str]()
        for batch in self._batches:
            looks.update(batch.looks)
        for score in chain.from_iterable(batch.scores.result() for batch in self._batches):
            if isinstance(score, Score) and score.computed_tokens:
                computed += score.computed_tokens
                tokens += score.tokens
            else:
                repeated += isinstance(score, Score)
        return BatchPublished(
            batches=len(self._batches),
            records=self.records,
            scores=self._scores,
            dead_letters=self._errors,
            nulls=self.nulls,
            forwarded=self._forwarded,
            uncertain=sum(map(self._is_uncertain, self._scores)),
            unknown=sum(map(self._is_unknown, self._scores)),
            tokens=tokens,
            computed_tokens=computed,
            repeated=repeated,
            unusable_ids=sum(map(_ID_UNUSABLE, chain.from_iterable(batch.documents for batch in self._batches))),
            looks=looks,
            scored_after_s=scored_after_s,
            publish_s=publish_s,
            lag_records=lag_records,
        )


def _encoded(
    encoder: Encoder, one: Document | Deletion, score: Score | Unscorable | None, now: Moment
) -> Outgoing | DeadLetter | None:
    if isinstance(one, Deletion):
        return encoder.deletion(one, now)
    if isinstance(score, Score):
        return encoder.result(one, score, now)
    assert score is not None  # noqa: S101 - every document has an answer
    return DeadLetter(one.record, Stage.SCORE, score.error, score.reason)


def _in_order(batch: Batch) -> Iterable[tuple[Document | Deletion, Score | Unscorable | None]]:
    """Documents with their answers, and deletions, as they were read: a deletion deletes what was before it."""
    documents = zip(batch.documents, batch.scores.result(), strict=True)
    if not batch.deletions:
        return documents
    deletions = ((deletion, None) for deletion in batch.deletions)
    place = {id(record): number for number, record in enumerate(batch.records)}
    return merge(documents, deletions, key=lambda pair: place[id(pair[0].record)])
