"""CSV downloads that no spreadsheet takes for formulas. Pure."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# OWASP, CSV injection; a full-width sign is one of them too for some spreadsheets.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def cell(value: Any) -> Any:
    """A value that a spreadsheet shows as it is; numbers stay numbers."""
    if not isinstance(value, str):
        return value
    # Also behind white space, which a spreadsheet leaves out.
    return f"'{value}" if value.startswith(_FORMULA) or value.lstrip().startswith(_FORMULA) else value


def write(titles: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV by RFC 4180, every text quoted."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow([cell(title) for title in titles])
    writer.writerows([["" if value is None else cell(value) for value in row] for row in rows])
    return text.getvalue()


def time_text(epoch_ms: float) -> str:
    """RFC 3339 in UTC, or the number for what no calendar holds."""
    try:
        return (
            datetime.fromtimestamp(epoch_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )
    except (OverflowError, ValueError, OSError):
        return f"{epoch_ms} ms"


def series(page: Mapping[str, Any]) -> str:
    """The series of a frame: a line for each bucket."""
    labels = page["labels"]
    counts = [page["series"].get(label, []) for label in labels]
    buckets = range((page["end_s"] - page["start_s"]) // page["width_s"])
    rows = (
        [
            time_text((page["start_s"] + number * page["width_s"]) * 1000),
            page["width_s"],
            *(own[number] if own else 0 for own in counts),
        ]
        for number in buckets
    )
    return write(["time", "seconds", *labels], rows)


def sample(rows: Iterable[Mapping[str, Any]]) -> str:
    """Records of the sample."""
    return write(
        ["time", "label", "score", "uncertain", "model", "group", "topic", "partition", "offset", "id", "text"],
        (
            [
                time_text(row["at_ms"]),
                row["label"],
                row["score"],
                str(row["uncertain"]).lower(),
                row["model"],
                row["group"],
                *(row["source"] or (None, None, None)),
                row["id"],
                row["text"],
            ]
            for row in rows
        ),
    )
