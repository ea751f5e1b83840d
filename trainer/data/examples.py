"""Labelled texts in memory, and the Parquet schema of every data set.

`trainer/data/readers.py` reads files in other formats.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from shared.errors import InputDataError
from shared.terminal import few
from trainer.data.labels.label_map import map_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

IntArray = npt.NDArray[np.int64]

_NAMED: Final = 10
"""Labels that an error shows in a map."""

UNKNOWN_SOURCE: Final = "not known"
"""Source of a row that has none, where others have one."""

SENTIMENTS: Final = ("negative", "neutral", "positive")
"""Labels that are always in this order; others are in the order of the alphabet, or of the numbers."""

SCHEMA: Final = pa.schema(
    [
        pa.field("text", pa.string(), nullable=False),
        pa.field("label", pa.int64(), nullable=False),
        pa.field("label_name", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("created_at", pa.timestamp("ms", tz="UTC")),
        pa.field("source", pa.string(), nullable=False),
        pa.field("split", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class DataReport:
    """What became of the rows of the data that examples were read from."""

    rows: int = 0
    """Rows of the data."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Rows that are no examples, by reason; each is counted once."""
    tool: str | None = None
    """The labelling tool whose export the data are."""
    time_fault: str | None = None
    """Why the examples have no times although the data have a column for them."""
    repeated_ids: int = 0
    """Rows whose id an earlier row has, with another text; their ids got a number at the end."""
    tied_times: int = 0
    """Examples whose time another one has too."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled texts, column by column: every column has one entry per row."""

    texts: tuple[str, ...]
    labels: IntArray
    """`[rows]`, indices into `label_names`."""
    label_names: tuple[str, ...]
    ids: tuple[str, ...]
    source: str
    created_at: IntArray | None = None
    """`[rows]`, epoch milliseconds; None unless every row has a time."""
    report: DataReport = DataReport()
    """Of all the data, also where these are a part of them."""
    sources: tuple[str, ...] | None = None
    """Where each text comes from, such as a site or a product, where the data say it; `source` is that of all."""
    parts: tuple[str, ...] | None = None
    """The part of each row, by name, where the data have parts: a published data set, or `--split-column`."""

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.texts)

    def take(self, rows: IntArray) -> Examples:
        """The given rows, in the given order."""
        return replace(
            self,
            texts=tuple(self.texts[row] for row in rows),
            labels=self.labels[rows],
            ids=tuple(self.ids[row] for row in rows),
            created_at=None if self.created_at is None else self.created_at[rows],
            sources=None if self.sources is None else tuple(self.sources[row] for row in rows),
            parts=None if self.parts is None else tuple(self.parts[row] for row in rows),
        )

    def in_order_of(self, labels: Sequence[str], *, whose: str) -> Examples:
        """The same rows with the labels of a model, in its order; raises InputDataError for an unknown label."""
        if unknown := sorted(set(self.label_names) - set(labels))[:_NAMED]:
            raise InputDataError(
                f"{whose} does not know the label {', '.join(map(repr, unknown))}; its labels are "
                f"{few(labels)}: say which is which with --label-map {map_for(unknown, labels)}, "
                "or leave out a label with --ignore-label"
            )
        index = np.array([labels.index(name) for name in self.label_names], dtype=np.int64)
        return replace(self, labels=index[self.labels], label_names=tuple(labels))

    def counts(self) -> dict[str, int]:
        """Number of rows by label name, in the order of the labels."""
        counted = np.bincount(self.labels, minlength=len(self.label_names))
        return dict(zip(self.label_names, counted.tolist(), strict=True))

    def fingerprint(self) -> str:
        """SHA-256 over texts and labels in order; a zero byte, which no tokenizer keeps, ends each part."""
        digest = hashlib.sha256()
        for text, label in zip(self.texts, self.labels, strict=True):
            # JSON can hold lone surrogates, which strict UTF-8 refuses.
            digest.update(f"{text}\0{self.label_names[label]}\0".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


def write_examples(examples: Examples, path: Path) -> None:
    """Writes the Parquet file atomically, without lone surrogates: UTF-8 refuses them, and the normaliser too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [examples.label_names[label] for label in examples.labels]
    rows = len(examples)
    columns = {
        "text": [_encodable(text) for text in examples.texts],
        "label": examples.labels,
        "label_name": names,
        "id": [_encodable(key) for key in examples.ids],
        "created_at": [None] * rows if examples.created_at is None else examples.created_at,
        "source": [_encodable(source) for source in examples.sources or [examples.source] * rows],
        "split": [None] * rows if examples.parts is None else examples.parts,
    }
    partial = path.with_name(f".{path.name}.partial")
    arrays = [pa.array(columns[field.name], type=field.type) for field in SCHEMA]
    pq.write_table(pa.table(arrays, schema=SCHEMA), partial, compression="zstd")
    partial.replace(path)


def _encodable(text: str) -> str:
    return text.encode("utf-8", "ignore").decode("utf-8")
