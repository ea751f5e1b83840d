"""Joins the labels of a labels topic with an archive: one Parquet file of labelled records, for `train --data`.

A label belongs to the record at its source, if the text there is the one that was labelled. Where a record has
several annotators, the verdict of the majority counts; a record without one is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shared.errors import InputDataError
from shared.messages import text_sha256
from shared.messages.labels import UNSURE
from trainer.data.archive.label_store import label_store
from trainer.data.archive.parts import SCHEMA, held
from trainer.data.labels.left_out import LeftOut
from trainer.data.labels.votes import majority

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from shared.kafka.labels.reader import Change
    from trainer.data.archive.label_store import LabelStore, Vote

_OF_THE_RECORD: Final = ("topic", "partition", "offset", "timestamp", "id", "text", "created_at", "source")
LABELLED: Final = pa.schema(
    [
        *(SCHEMA.field(name) for name in _OF_THE_RECORD),
        pa.field("label", pa.string(), nullable=False),
        pa.field("annotators", pa.list_(pa.string()), nullable=False),
        pa.field("purpose", pa.string(), nullable=False),
        pa.field("selection_probability", pa.float64()),
    ],
    metadata={b"sentiment.labelled": b"1"},
)
_PURPOSES: Final = ("audit", "queue", "free")
"""By precedence: a record that was drawn at random stays one, whoever labels it again."""


@dataclass(slots=True)
class Joined:
    """What became of the labels: each of them is counted as used, or by the reason why it was left out."""

    labels: int = 0
    """Labels that are in force: the latest of each key, without those that were taken back."""
    used: int = 0
    records: int = 0
    """Records with a label, the rows of the file."""

    other_topics: int = 0
    not_archived: int = 0
    without_text: int = 0
    other_text: int = 0
    """The record at the source has another text than the one that was labelled."""
    unsure: int = 0
    tied: int = 0
    tied_records: int = 0


def labelled_file(archive: Path) -> Path:
    """Where the labelled records of an archive are: next to its folder, whose files all have one schema."""
    archive = archive.absolute()
    return archive.with_name(f"{archive.name}-labelled.parquet")


def join_labels(changes: Iterable[Change], topic: str, archive: Path) -> Joined:
    """Writes the labelled records of an archive of `topic`, in place of an older file; raises InputDataError.

    Memory has the rows of one part of the archive and the cache of the store, however many labels there are.
    """
    path = labelled_file(archive)
    _refuse_foreign(path)
    found = Joined()
    path.parent.mkdir(parents=True, exist_ok=True)  # an archive without records has no folder
    partial = path.with_suffix(".partial")
    with label_store() as store:
        store.take(changes)
        found.labels = store.count()
        found.other_topics = found.labels - store.count_of(topic)
        with pq.ParquetWriter(partial, LABELLED, compression="zstd") as writer:
            for part, coverage in held(archive):
                span = range(coverage.start, coverage.end)
                rows = _labelled(part, store, (topic, coverage.partition, span), found)
                if rows:
                    writer.write_table(pa.Table.from_pylist(rows, schema=LABELLED))
    partial.replace(path)
    joined = found.used + found.unsure + found.tied + found.other_text + found.without_text
    found.not_archived = found.labels - found.other_topics - joined
    return found


def joined_lines(found: Joined, path: Path, unreadable: int) -> list[str]:
    """What became of the labels, for a person; `unreadable` are records of the labels topic that are none."""
    left_out = {
        "of records of other topics": found.other_topics,
        "of records that are not in the archive": found.not_archived,
        "of records without a text": found.without_text,
        "of records whose text is not the one that was labelled (was the topic created again?)": found.other_text,
        f"with the verdict {UNSURE}": found.unsure,
        f"of {found.tied_records:,} records whose annotators tie": found.tied,
    }
    lines = [f"{path}: {found.records:,} labelled records, from {found.used:,} of {found.labels:,} labels"]
    lines += [f"left out: {labels:,} labels {reason}" for reason, labels in left_out.items() if labels]
    if unreadable:
        lines.append(f"left out: {unreadable:,} records of the labels topic that are no labels (docs/labels.md)")
    return lines


def _labelled(part: Path, store: LabelStore, place: tuple[str, int, range], found: Joined) -> list[dict[str, Any]]:
    """The labelled rows of one part; counts what is left out."""
    offsets = store.offsets(*place)
    if not offsets:  # most parts of a large archive: not read at all
        return []
    table = pq.read_table(part, columns=list(_OF_THE_RECORD))
    wanted = table.filter(pc.is_in(table.column("offset"), pa.array(offsets, pa.int64())))
    row_of = {row["offset"]: row for row in _rows(wanted)}
    labelled = []
    for offset, votes in store.votes(*place):
        if offset in row_of and (label := _label(row_of[offset]["text"], votes, found)):
            labelled.append(row_of[offset] | label)
    return labelled


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    """The rows, with times as numbers: Python has no date for those that Kafka allows beyond the year 9999."""
    for name in ("timestamp", "created_at"):
        position = table.schema.get_field_index(name)
        table = table.set_column(position, name, table.column(name).cast(pa.int64()))
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _label(text: str | None, votes: list[Vote], found: Joined) -> dict[str, Any] | None:
    """The columns that labels add to a record; None if it is left out."""
    if text is None:
        found.without_text += len(votes)
        return None
    digest = text_sha256(text)
    same = [vote for vote in votes if vote.text_sha256 == digest]
    sure = [vote for vote in same if vote.verdict != UNSURE]
    found.other_text += len(votes) - len(same)
    found.unsure += len(same) - len(sure)
    if not sure:
        return None
    label = majority(vote.verdict for vote in sure)
    if isinstance(label, LeftOut):
        found.tied += len(sure)
        found.tied_records += 1
        return None
    found.used += len(sure)
    found.records += 1
    first = min(same, key=lambda vote: _PURPOSES.index(vote.purpose))  # of several, the earliest
    return {
        "label": label,
        "annotators": [vote.annotator for vote in sure],
        "purpose": first.purpose,
        "selection_probability": first.selection_probability,
    }


def _refuse_foreign(path: Path) -> None:
    if not path.exists():
        return
    try:
        ours = pq.read_schema(path).metadata == LABELLED.metadata
    except (pa.ArrowException, OSError):
        ours = False
    if not ours:
        raise InputDataError(f"{path} is not a file of labelled records; move it, or archive to another folder")
