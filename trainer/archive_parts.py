"""The archive on disk: a folder of Parquet files, each a run of one partition's records in order.

A file is named by its partition and first offset and appears whole or not at all, so the folder itself
tells where to go on. Nothing here speaks Kafka.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from shared.errors import BadRecord, InputDataError
from shared.messages import Headers, InputFormat, parse_input

if TYPE_CHECKING:
    from pathlib import Path

PART_ROWS: Final = 10_000
PART_BYTES: Final = 32 * 2**20
"""A part is written when it holds this many rows or bytes of keys, headers and values ..."""
HELD_BYTES: Final = 128 * 2**20
"""... or, the fullest first, when all unwritten parts together hold this many bytes."""

SCHEMA: Final = pa.schema(
    [
        pa.field("topic", pa.string(), nullable=False),
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("timestamp", pa.timestamp("ms", tz="UTC")),
        pa.field("key", pa.binary()),
        pa.field("headers", pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())]))),
        pa.field("value", pa.binary()),
        pa.field("id", pa.string(), nullable=False),
        pa.field("text", pa.string()),
        pa.field("error", pa.string()),
        pa.field("created_at", pa.timestamp("ms", tz="UTC")),
        pa.field("source", pa.string()),
    ]
)
_TIME: Final = TypeAdapter(AwareDatetime)


@dataclass(frozen=True, slots=True)
class ArchivedRecord:
    """One record as it stands in Kafka."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None
    key: bytes | None
    headers: Headers
    value: bytes | None

    @property
    def size(self) -> int:
        """Bytes of key, headers and value."""
        return sum(len(part or b"") for part in (self.key, self.value, *(content for _, content in self.headers)))


def archive_row(record: ArchivedRecord, form: InputFormat) -> dict[str, Any]:
    """One row of SCHEMA: the record as it is, and its id and text, or why it has none."""
    row: dict[str, Any] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp_ms,
        "key": record.key,
        "headers": [{"name": name, "value": value} for name, value in record.headers],
        "value": record.value,
        "id": f"{record.topic}-{record.partition}-{record.offset}",
    }
    try:
        parsed = parse_input(record.value, form)
    except BadRecord as reason:
        return row | {"error": str(reason)}
    told = json.loads(record.value or b"{}") if form.kind == "json" else {}
    source = told.get("source")
    return row | {
        "id": parsed.id or row["id"],
        "text": parsed.text,
        "created_at": _epoch_ms(told.get("created_at")),
        "source": source if isinstance(source, str) else None,
    }


def _epoch_ms(created_at: Any) -> int | None:
    """Milliseconds of an RFC 3339 string with an offset; None for anything else."""
    if not isinstance(created_at, str):
        return None
    try:
        return round(_TIME.validate_python(created_at).timestamp() * 1000)
    except ValidationError:
        return None


@dataclass(slots=True)
class _Part:
    """Rows of one partition that are not written yet."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0


class PartWriter:
    """Collects rows by partition and writes a part whenever one is full; memory stays bounded."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: dict[int, _Part] = {}
        self.rows = 0
        """Rows written or held so far."""
        self.undecodable = 0
        """Those of them that have no text."""

    def add(self, row: dict[str, Any], size: int) -> None:
        """Takes the next row of its partition; `size` is what it weighs against the limits, in bytes."""
        part = self._parts.setdefault(row["partition"], _Part())
        part.rows.append(row)
        part.size += size
        self.rows += 1
        self.undecodable += "error" in row
        if len(part.rows) >= PART_ROWS or part.size >= PART_BYTES:
            self._write(row["partition"])
        elif sum(held.size for held in self._parts.values()) >= HELD_BYTES:
            self._write(max(self._parts, key=lambda partition: self._parts[partition].size))

    def flush(self) -> None:
        """Writes all that is held."""
        for partition in list(self._parts):
            self._write(partition)

    def _write(self, partition: int) -> None:
        rows = self._parts.pop(partition).rows
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"part-{partition:05d}-{rows[0]['offset']:020d}.parquet"
        partial = path.with_suffix(".partial")
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), partial, compression="zstd")
        partial.replace(path)


def archived_until(folder: Path, topic: str) -> dict[int, int]:
    """The first offset that is not in the folder yet, by partition; raises InputDataError.

    Every part's own records are read for it, not its name alone: only offset and topic, which is quick.
    """
    until: dict[int, int] = {}
    if folder.exists() and not folder.is_dir():
        raise InputDataError(f"{folder} is a file; an archive is a folder of Parquet files")
    for path in sorted(folder.glob("*.parquet")):
        try:
            table = pq.read_table(path, columns=["topic", "partition", "offset"])
        except (pa.ArrowException, OSError) as error:
            raise InputDataError(
                f"{path} is no part of an archive ({type(error).__name__}); use another folder"
            ) from None
        if not table.schema.equals(pa.schema([SCHEMA.field(name) for name in table.column_names])):
            raise InputDataError(f"{path} is no part of an archive; use another folder")
        topics = set(table.column("topic").to_pylist())
        if topics - {topic}:
            raise InputDataError(f"{folder} holds an archive of the topic {topics.pop()!r}; use another folder")
        for partition, offset in zip(
            table.column("partition").to_pylist(), table.column("offset").to_pylist(), strict=True
        ):
            until[partition] = max(until.get(partition, 0), offset + 1)
    return until
