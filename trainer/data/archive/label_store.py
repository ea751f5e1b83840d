"""The latest labels of a labels topic by record, in a temporary file: a million of them need not fit in memory."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.errors import InputDataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shared.kafka.labels.reader import Change

CACHE_KIB: Final = 65_536
"""Memory that the store takes before it writes to its file."""

# WITHOUT ROWID: the table is its own index, in the order in which the archive is read.
_TABLE: Final = """
CREATE TABLE labels (
    topic TEXT, partition INTEGER, offset INTEGER, annotator TEXT,
    verdict TEXT, text_sha256 TEXT, purpose TEXT, selection_probability REAL, labelled_at REAL,
    PRIMARY KEY (topic, partition, offset, annotator)
) WITHOUT ROWID
"""
_SPAN: Final = "FROM labels WHERE topic = ? AND partition = ? AND offset >= ? AND offset < ?"


class Vote(NamedTuple):
    """The label of one annotator for a record."""

    annotator: str
    verdict: str
    text_sha256: str
    purpose: str
    selection_probability: float | None


class LabelStore:
    """Labels by record; used by one thread. Its file is deleted when it is closed, or the process ends."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def take(self, changes: Iterable[Change]) -> None:
        """Applies changes in order."""
        for key, label in changes:
            if label is None:
                self._db.execute(
                    "DELETE FROM labels WHERE topic = ? AND partition = ? AND offset = ? AND annotator = ?", key
                )
            else:
                row = (
                    *key,
                    label.verdict,
                    label.text_sha256,
                    label.purpose,
                    label.selection_probability,
                    label.labelled_at.timestamp(),
                )
                self._db.execute("INSERT OR REPLACE INTO labels VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def count(self) -> int:
        """The number of labels."""
        (found,) = self._db.execute("SELECT count(*) FROM labels").fetchone()
        return int(found)

    def count_of(self, topic: str) -> int:
        """The number of labels for records of one topic."""
        (found,) = self._db.execute("SELECT count(*) FROM labels WHERE topic = ?", (topic,)).fetchone()
        return int(found)

    def offsets(self, topic: str, partition: int, span: range) -> list[int]:
        """The offsets in a range of records with labels, ascending."""
        rows = self._db.execute(
            f"SELECT DISTINCT offset {_SPAN} ORDER BY offset",
            (topic, partition, span.start, span.stop),
        )
        return [offset for (offset,) in rows]

    def votes(self, topic: str, partition: int, span: range) -> Iterator[tuple[int, list[Vote]]]:
        """The labels of each record in a range, by offset; those of one record in the order of their times."""
        rows = self._db.execute(
            f"SELECT offset, annotator, verdict, text_sha256, purpose, selection_probability {_SPAN} "
            "ORDER BY offset, labelled_at, annotator",
            (topic, partition, span.start, span.stop),
        )
        for offset, several in groupby(rows, key=itemgetter(0)):
            yield offset, [Vote(*row[1:]) for row in several]


@contextmanager
def label_store() -> Iterator[LabelStore]:
    """An empty store; raises InputDataError where the labels do not fit into the file."""
    try:
        # Without a name: a file of its own among the temporary ones. It is written once and needs no journal.
        with closing(sqlite3.connect("", isolation_level=None)) as db:
            for setting in (f"cache_size = -{CACHE_KIB}", "journal_mode = OFF", "synchronous = OFF"):
                db.execute(f"PRAGMA {setting}")
            db.execute("BEGIN")
            db.execute(_TABLE)
            yield LabelStore(db)
    except sqlite3.OperationalError as error:
        raise InputDataError(
            f"the labels do not fit into a temporary file ({error}); name a folder with more room in SQLITE_TMPDIR"
        ) from None
