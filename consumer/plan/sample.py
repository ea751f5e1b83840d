"""Texts to measure with: a file's, or the newest of the input topics."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shared.errors import BadRecord, InputDataError
from shared.formats import parse_input
from shared.kafka.offset_ranges import last_of
from shared.kafka.reader import Partition, TopicReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from consumer.settings import ConsumerSettings
    from shared.formats import InputFormat


@dataclass(frozen=True, slots=True)
class Sample:
    """Texts, at least one, in an order that mixes files sorted by length and partitions; never printed."""

    texts: list[str]
    source: str
    """For people: where they come from, and how many could not be read."""


def of_file(file: Path, form: InputFormat) -> Sample:
    """One text a line, or in a .jsonl one input value a line; blank lines are left out.

    Raises InputDataError with the line's number for one that cannot be read, and for a file without texts.
    """
    texts = list(_lines(file, form if file.suffix.lower() == ".jsonl" else replace(form, kind="text")))
    if not texts:
        raise InputDataError(f"{file} holds no text; give one a line")
    return Sample(_mixed(texts), f"texts of {file.name}")


def of_topics(settings: ConsumerSettings, count: int) -> Sample:
    """The newest of `count` offsets of the input topics; joins no group and commits nothing.

    What would be dead-lettered is left out, and so are the offsets that markers of transactions take.
    Raises an explained error, and InputDataError where there is no text.
    """
    texts, unreadable, form = [], 0, settings.input_format
    with TopicReader(settings.kafka, "sentiment-plan") as reader:
        topics = reader.partitions_of(reader.matching(settings.input_topics))
        partitions = [Partition(topic, number) for topic, several in topics.items() for number in range(several)]
        for message in reader.messages(last_of(reader.spans(partitions), count)):
            try:
                texts.append(parse_input(message.value(), form).text)
            except BadRecord:  # a deletion as well: NullRecord is one
                unreadable += 1
    names = ", ".join(topics or settings.input_topics)
    if not texts:
        raise InputDataError(
            f"no text among the last {count:,} records of {names} ({unreadable:,} that cannot be read); "
            "give --sample FILE, or check input_topics, format and text_field"
        )
    left_out = f" ({unreadable:,} records that cannot be read left out)" if unreadable else ""
    return Sample(_mixed(texts), f"newest texts of {names}{left_out}")


def _lines(file: Path, form: InputFormat) -> Iterator[str]:
    try:
        # Of bytes: `str.splitlines` also cuts at U+2028 and other characters that a text may hold.
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise InputDataError(f"cannot read the sample {file}: {error.strerror}") from None
    for number, line in enumerate(lines, start=1):
        try:
            if line.strip():
                yield parse_input(line, form).text
        except BadRecord as reason:
            raise InputDataError(f"{file}: line {number}: {reason}") from None


def _mixed(texts: list[str]) -> list[str]:
    """Shuffled, each time alike."""
    return random.Random(0).sample(texts, len(texts))  # noqa: S311 - no secret
