"""The archive on disk: a folder of Parquet files, each with the records of a range of one partition's offsets.

A file appears whole or not at all and tells its range, which no other covers, so the folder itself tells what is
left to read. Nothing here speaks Kafka.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError

from shared.errors import BadRecord, InputDataError
from shared.formats import InputFormat, parse_input

if TYPE_CHECKING:
    from pathlib import Path

    from shared.messages import Headers

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
_METADATA: Final = b"sentiment.archive"
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
    except (ValidationError, OverflowError):  # a year 0 or 10,000 once the offset is taken off
        return None


@dataclass(frozen=True, slots=True)
class Origin:
    """Which topic an archive is of: one that is deleted and made anew keeps its name, but not its id."""

    topic: str
    topic_id: str


class _Told(BaseModel, frozen=True, extra="forbid"):
    """What a part tells of itself, in the metadata of its schema."""

    topic: str
    topic_id: str
    partition: int = Field(ge=0)
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    """The first offset behind the range. Offsets without a row hold no record: markers, or aborted ones."""


@dataclass(slots=True)
class _Part:
    """What is not written yet of one partition's range."""

    start: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0


class PartWriter:
    """Collects rows by partition and writes a part whenever one is full; memory stays bounded.

    Ranges of a partition come one after the other: `begin`, each row in order, `end`.
    """

    def __init__(self, folder: Path, origin: Origin) -> None:
        self._folder = folder
        self._origin = origin
        self._parts: dict[int, _Part] = {}
        self.rows = 0
        """Rows written or held so far."""
        self.undecodable = 0
        """Those of them that have no text."""

    def begin(self, partition: int, start: int) -> None:
        """Starts a range at an offset."""
        self._parts[partition] = _Part(start)

    def add(self, row: dict[str, Any], size: int) -> None:
        """Takes the next row of its partition; `size` is what it weighs against the limits, in bytes."""
        part = self._parts[row["partition"]]
        part.rows.append(row)
        part.size += size
        self.rows += 1
        self.undecodable += "error" in row
        if len(part.rows) >= PART_ROWS or part.size >= PART_BYTES:
            self._write(row["partition"])
        elif sum(held.size for held in self._parts.values()) >= HELD_BYTES:
            self._write(max(self._parts, key=lambda partition: self._parts[partition].size))

    def end(self, partition: int, end: int) -> None:
        """Ends a range before an offset and writes what is held of it."""
        self._write(partition, end)
        del self._parts[partition]

    def flush(self) -> None:
        """Writes what is held of ranges that did not come to their ends."""
        for partition, part in self._parts.items():
            if part.rows:
                self._write(partition)

    def _write(self, partition: int, end: int | None = None) -> None:
        """Writes a part up to `end`, or else up to its last row; what covers nothing is left out."""
        part = self._parts[partition]
        end = part.rows[-1]["offset"] + 1 if end is None else end
        if part.start < end:
            told = _Told(**asdict(self._origin), partition=partition, start=part.start, end=end)
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"part-{partition:05d}-{part.start:020d}.parquet"
            partial = path.with_suffix(".partial")
            schema = SCHEMA.with_metadata({_METADATA: told.model_dump_json()})
            pq.write_table(pa.Table.from_pylist(part.rows, schema=schema), partial, compression="zstd")
            partial.replace(path)
        self._parts[partition] = _Part(end)


def covered(folder: Path, origin: Origin) -> dict[int, list[range]]:
    """The offsets that the parts in a folder cover, by partition; raises InputDataError."""
    if folder.exists() and not folder.is_dir():
        raise InputDataError(f"{folder} is a file; an archive is a folder of Parquet files")
    found: dict[int, list[range]] = {}
    for path in sorted(folder.glob("*.parquet")):
        told = _told(path)
        if told.topic != origin.topic:
            raise InputDataError(f"{folder} holds an archive of the topic {told.topic!r}; use another folder")
        if told.topic_id != origin.topic_id:
            raise InputDataError(
                f"{folder} holds an archive of an older topic {told.topic!r}, which was deleted and made anew "
                "since; use another folder"
            )
        found.setdefault(told.partition, []).append(range(told.start, told.end))
    return found


def _told(path: Path) -> _Told:
    try:
        schema = pq.read_schema(path)
        if not schema.equals(SCHEMA):
            raise InputDataError(f"{path} is no part of an archive; use another folder")
        return _Told.model_validate_json((schema.metadata or {}).get(_METADATA, b""))
    except (pa.ArrowException, OSError, ValidationError) as error:
        raise InputDataError(
            f"{path} is no part of an archive ({type(error).__name__}); use another folder"
        ) from None
