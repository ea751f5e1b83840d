"""Where the reading begins: the history of the results, bounded by time and by bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.kafka.offset_ranges import last_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.kafka.reader import Partition, TopicReader

SAMPLE: Final = 500
"""Offsets at the ends of the topics whose records say how large one is."""


def starts(
    reader: TopicReader, spans: Mapping[Partition, range], since_ms: int, max_bytes: int
) -> tuple[dict[Partition, range], bool]:
    """The offsets to read of each partition, and whether the bound of bytes left some out.

    A broker does not say how large a range of offsets is, so the newest records say it for all. Raises an
    explained error.
    """
    at = reader.offsets_at(spans, since_ms)
    wanted = {one: range(min(max(span.start, at[one]), span.stop), span.stop) for one, span in spans.items()}
    offsets = sum(map(len, wanted.values()))
    room = max_bytes // _bytes_per_offset(reader, wanted) if offsets > SAMPLE else offsets
    return (wanted, False) if offsets <= room else (last_of(wanted, room), True)


def _bytes_per_offset(reader: TopicReader, spans: Mapping[Partition, range]) -> int:
    newest = last_of(spans, SAMPLE)
    size = sum(len(one.value() or b"") + len(one.key() or b"") for one in reader.messages(newest))
    return max(1, size // max(1, sum(map(len, newest.values()))))
