"""What the newest records of the input would become, for `check --sample`; joins no group and writes nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE

from consumer.stream.decode import split
from consumer.stream.records import Ownership, Record
from shared.formats.auto import look_at
from shared.inference.tokenization.scripts import script_of
from shared.inference.types import Score
from shared.kafka.message import headers_of
from shared.kafka.offset_ranges import last_of
from shared.kafka.reader import Partition, SpanRead, TopicReader
from shared.reasons import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from confluent_kafka import Message

    from consumer.settings import ConsumerSettings
    from shared.formats import InputFormat
    from shared.inference.scheduler import Scheduler

WINDOW_RECORDS: Final = 256
"""Records that are read and scored together, which bounds memory."""
_OWNER: Final = Ownership()
_TOO_LARGE: Final = "larger than limits.max_record_bytes"


@dataclass(slots=True)
class Survey:
    """Counts of a sample; no text is kept."""

    records: int = 0
    scored: int = 0
    deletions: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Dead letters by their reasons, with N for numbers."""
    looks: Counter[str] = field(default_factory=Counter)
    """What the values look like by their first bytes, nulls left out."""
    unusable_ids: int = 0
    tokens: list[int] = field(default_factory=list)
    """That the model reads of each scored text."""
    truncated: int = 0
    segmented: int = 0
    """Texts that would be read in several segments."""
    unknown_tokens: float = 0.0
    unknown: int = 0
    """Results that would have `unknown_share`."""
    scripts: Counter[str] = field(default_factory=Counter)
    """Of scored texts, each by most of its letters."""

    @property
    def dead_letters(self) -> int:
        """Records that would be dead-lettered."""
        return self.reasons.total()


def survey_topics(settings: ConsumerSettings, count: int, scoring: Scheduler, found: Survey) -> None:
    """Reads, decodes and scores the newest `count` offsets of the input topics; raises an explained error.

    Markers of transactions take offsets too, and what is behind an open transaction is left out.
    """
    with TopicReader(settings.kafka, "sentiment-check") as reader:
        written = {settings.output_topic, settings.dlq_topic}
        names = [name for name in reader.matching(settings.input_topics) if name not in written]
        counts = reader.partitions_of(names)
        partitions = [Partition(name, number) for name, several in counts.items() for number in range(several)]
        newest = reader.read(last_of(reader.spans(partitions), count), waits=False)
        records = (_record(one) for one in newest if not isinstance(one, SpanRead))
        survey(records, settings.input_format, scoring, settings.max_unknown_share, found)


def survey(
    records: Iterable[Record], form: InputFormat, scoring: Scheduler, max_unknown_share: float, found: Survey
) -> None:
    """Decodes and scores records as `run` does, and counts in `found` what becomes of them."""
    left = iter(records)
    while window := list(islice(left, WINDOW_RECORDS)):
        documents, letters, deletions = split(window, form)
        found.records += len(window)
        found.deletions += len(deletions)
        found.looks.update(_looks(window, form))
        reasons = [letter.reason for letter in letters]
        for document, score in zip(documents, scoring.score([one.text for one in documents]), strict=True):
            if not isinstance(score, Score):
                reasons.append(score.reason)
                continue
            found.scored += 1
            found.unusable_ids += document.id_unusable
            found.tokens.append(score.tokens)
            found.truncated += score.truncated
            found.segmented += score.segments > 1
            found.unknown_tokens += score.unknown_share * score.tokens
            found.unknown += score.unknown_share > max_unknown_share
            found.scripts[script_of(document.text)] += 1
        found.reasons.update(map(kind_of, reasons))


def _looks(records: Sequence[Record], form: InputFormat) -> Iterator[str]:
    for record in records:
        if record.value is not None:
            yield look_at(record.value).name if len(record.value) <= form.max_bytes else _TOO_LARGE


def _record(message: Message) -> Record:
    kind, timestamp_ms = message.timestamp()
    headers = headers_of(message)
    return Record(
        str(message.topic()),
        message.partition() or 0,
        message.offset() or 0,
        None if kind == TIMESTAMP_NOT_AVAILABLE else timestamp_ms,
        message.key(),
        message.value(),
        headers or (),
        _OWNER,
        headers_lost=headers is None,
    )
