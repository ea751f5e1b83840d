"""The archive on disk: a folder of Parquet files, each with the records of one range of a partition's offsets.

A file is written atomically and contains its range, which does not overlap others, so the folder itself shows what
is left to read. Nothing here uses Kafka.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError

from shared.errors import BadRecord, InputDataError
from shared.formats import InputFormat, parse_input
from shared.formats.encodings import without_surrogates
from shared.formats.path import parse_selector

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shared.messages import Headers

PART_ROWS: Final = 10_000
PART_BYTES: Final = 32 * 2**20
"""A part is written when it has this many rows, or bytes of keys, headers and values ..."""
HELD_BYTES: Final = 128 * 2**20
"""... or, the largest first, when all unwritten parts together have this many bytes."""

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
_SOURCE: Final = parse_selector("source")
_CREATED_AT: Final = parse_selector("created_at")


@dataclass(frozen=True, slots=True)
class ArchivedRecord:
    """One record as it is in Kafka."""

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
    """One row of SCHEMA: the unchanged record, with its id and text, or with the reason why it has none."""
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
    source = _SOURCE.value(parsed.fields)
    return row | {
        "id": parsed.id or row["id"],
        "text": parsed.text,
        "created_at": _epoch_ms(_CREATED_AT.value(parsed.fields)),
        "source": without_surrogates(source) if isinstance(source, str) else None,
    }


def _epoch_ms(created_at: Any) -> int | None:
    """Milliseconds of an RFC 3339 string with an offset; None for anything else."""
    if not isinstance(created_at, str):
        return None
    try:
        return round(_TIME.validate_python(created_at).timestamp() * 1000)
    except (ValidationError, OverflowError):  # year 0 or 10,000 after the conversion to UTC
        return None


@dataclass(frozen=True, slots=True)
class Origin:
    """The topic of an archive: a topic that is deleted and created again keeps its name, but not its id."""

    topic: str
    topic_id: str


class Coverage(BaseModel, frozen=True, extra="forbid"):
    """Topic, partition and range of a part, in the metadata of its schema."""

    topic: str
    topic_id: str
    partition: int = Field(ge=0)
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    """The first offset after the range. Offsets without a row are transaction markers or aborted records."""


@dataclass(slots=True)
class _Part:
    """The rows of one partition's range that are not written yet."""

    start: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0


class PartWriter:
    """Collects rows by partition and writes a part whenever one is full; memory stays bounded.

    The ranges of a partition come one after the other: `begin`, `add` for each row in order, `end`.
    """

    def __init__(self, folder: Path, origin: Origin) -> None:
        self._folder = folder
        self._origin = origin
        self._parts: dict[int, _Part] = {}
        self.rows = 0
        """Rows written or held so far."""
        self.undecodable = 0
        """Number of those rows without a text."""

    def begin(self, partition: int, start: int) -> None:
        """Starts a range at an offset."""
        self._parts[partition] = _Part(start)

    def add(self, row: dict[str, Any], size: int) -> None:
        """Adds the next row of its partition; `size`, in bytes, counts towards the limits."""
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
        """Ends a range before the offset `end` and writes its remaining rows."""
        self._write(partition, end)
        del self._parts[partition]

    def flush(self) -> None:
        """Writes the remaining rows of ranges that were not ended."""
        for partition, part in self._parts.items():
            if part.rows:
                self._write(partition)

    def _write(self, partition: int, end: int | None = None) -> None:
        """Writes a part up to `end`, or else up to its last row; writes nothing for an empty range."""
        part = self._parts[partition]
        end = part.rows[-1]["offset"] + 1 if end is None else end
        if part.start < end:
            coverage = Coverage(**asdict(self._origin), partition=partition, start=part.start, end=end)
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"part-{partition:05d}-{part.start:020d}.parquet"
            # Without the suffix .parquet: what is left of a run that was ended does not count as archived.
            partial = path.with_suffix(".partial")
            schema = SCHEMA.with_metadata({_METADATA: coverage.model_dump_json()})
            pq.write_table(pa.Table.from_pylist(part.rows, schema=schema), partial, compression="zstd")
            partial.replace(path)
        self._parts[partition] = _Part(end)


def covered(folder: Path, origin: Origin) -> dict[int, list[range]]:
    """The offsets that the parts in a folder cover, by partition; raises InputDataError."""
    if folder.exists() and not folder.is_dir():
        raise InputDataError(f"{folder} is a file; an archive is a folder of Parquet files")
    found: dict[int, list[range]] = {}
    for _, part in held(folder):
        if part.topic != origin.topic:
            raise InputDataError(f"{folder} holds an archive of the topic {part.topic!r}; use another folder")
        if part.topic_id != origin.topic_id:
            raise InputDataError(
                f"{folder} holds an archive of an older topic {part.topic!r}, which has been deleted and "
                "created again since; use another folder"
            )
        found.setdefault(part.partition, []).append(range(part.start, part.end))
    return found


def held(folder: Path) -> Iterator[tuple[Path, Coverage]]:
    """The parts in a folder, in order of partition and offset; raises InputDataError for other Parquet files."""
    for path in sorted(folder.glob("*.parquet")):
        yield path, _coverage(path)


def _coverage(path: Path) -> Coverage:
    try:
        schema = pq.read_schema(path)
        if not schema.equals(SCHEMA):
            raise InputDataError(f"{path} is not part of an archive; use another folder")
        return Coverage.model_validate_json((schema.metadata or {}).get(_METADATA, b""))
    except (pa.ArrowException, OSError, ValidationError) as error:
        raise InputDataError(
            f"{path} is not part of an archive ({type(error).__name__}); use another folder"
        ) from None
