"""Sums of results and of dead letters over time, at three bucket widths.

Memory: at most `MAX_BYTES` (107 MB), by the shape of the tables; 7 MB for three labels of one model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from dashboard.window.level import Level
from dashboard.window.rows import REST, Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboard.window.level import Ints
    from dashboard.window.records import LetterSeen, Scored

WIDTHS: Final = ((1, 900), (60, 1_500), (900, 192))
"""Seconds of a bucket, and how many are kept: 15 minutes, 25 and 48 hours, so that 24 h have a time before."""
CONFIDENCE_BINS: Final = 20
LATENCY_EDGES_MS: Final = (50, 100, 200, 300, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 30_000, 60_000)
"""Between the bins of the time from the input record to its score."""
MICRO: Final = 1_000_000
"""Scores are summed as whole millionths, as results hold them, so that sums are exact in any order."""

COUNT, UNCERTAIN, TRUNCATED, SCORE, TIMED = range(5)
CONFIDENCE: Final = 5
LATENCY: Final = CONFIDENCE + CONFIDENCE_BINS
COLUMNS: Final = LATENCY + len(LATENCY_EDGES_MS) + 1
"""Columns of a row: the five above, bins of the score, bins of the latency."""

MAX_ROWS: Final = 128
"""Combinations of label, input topic, model and group that have sums of their own; others share a row."""
MAX_LETTER_ROWS: Final = 64
MAX_BYTES: Final = 8 * sum(slots for _, slots in WIDTHS) * (MAX_ROWS * COLUMNS + MAX_LETTER_ROWS)


class Kind(NamedTuple):
    """What a row counts."""

    label: str
    topic: str
    """The input topic."""
    model: str
    """Name and version, with a space between."""
    group: str


class LetterKind(NamedTuple):
    """What a row of dead letters counts."""

    stage: str
    error: str
    reason: str


class Sums:
    """Both tables. For one thread at a time; the window has the lock."""

    def __init__(self) -> None:
        self.rows: Rows[Kind] = Rows(MAX_ROWS)
        self.letter_rows: Rows[LetterKind] = Rows(MAX_LETTER_ROWS)
        self.levels: Final = tuple(Level(width_s, slots, COLUMNS) for width_s, slots in WIDTHS)
        self.letter_levels: Final = tuple(Level(width_s, slots, 1) for width_s, slots in WIDTHS)

    @property
    def nbytes(self) -> int:
        """Bytes of all tables."""
        return sum(level.nbytes for level in (*self.levels, *self.letter_levels))

    def add(self, records: Sequence[Scored], now_s: float) -> None:
        """Counts results at every width."""
        if not records:
            return
        rows = np.fromiter((self._row(one) for one in records), np.int64, len(records))
        event_ms = _column([one.event_ms for one in records])
        score = np.rint(np.array([one.score for one in records]) * MICRO).astype(np.int64)
        bins = np.minimum(score * CONFIDENCE_BINS // MICRO, CONFIDENCE_BINS - 1)
        timed = _column([one.scored_ms is not None for one in records])
        took_ms = _column([(one.scored_ms or 0) - one.event_ms for one in records])
        slowness = np.searchsorted(LATENCY_EDGES_MS, took_ms, side="left")
        cells: list[tuple[Ints | int, Ints | int]] = [
            (COUNT, 1),
            (UNCERTAIN, _column([one.uncertain for one in records])),
            (TRUNCATED, _column([one.truncated for one in records])),
            (SCORE, score),
            (TIMED, timed),
            (CONFIDENCE + bins, 1),
            (LATENCY + slowness, timed),
        ]
        for level in self.levels:
            level.add(now_s, event_ms // 1000, rows, cells)

    def add_letters(self, letters: Sequence[LetterSeen], now_s: float) -> None:
        """Counts dead letters by the time at which they were written."""
        if not letters:
            return
        last = LetterKind(REST, REST, REST)
        kinds = [LetterKind(one.stage, one.error, one.reason) for one in letters]
        rows = _column([self.letter_rows.row(kind, kind._replace(reason=REST), last) for kind in kinds])
        written_s = _column([one.written_ms for one in letters]) // 1000
        for level in self.letter_levels:
            level.add(now_s, written_s, rows, [(COUNT, 1)])

    def expire(self, now_s: float) -> None:
        """Drops what is older than each width keeps."""
        for level in (*self.levels, *self.letter_levels):
            level.expire(now_s)

    def _row(self, one: Scored) -> int:
        topic = "" if one.source is None else one.source.topic
        kind = Kind(one.label, topic, f"{one.model_name} {one.model_version}", one.group)
        return self.rows.row(kind, Kind(one.label, REST, REST, REST), Kind(REST, REST, REST, REST))


def _column(values: Sequence[int]) -> Ints:
    # A producer may write any 64 bits into a timestamp; a difference of two may be larger.
    return np.array([min(max(value, -(2**62)), 2**62) for value in values], np.int64)
