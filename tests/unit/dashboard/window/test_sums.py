"""Sums are exact whatever comes, and take no more memory than stated."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.views.quality import quantile
from dashboard.window.level import AHEAD_S, Level
from dashboard.window.records import Scored
from dashboard.window.sums import (
    CONFIDENCE,
    CONFIDENCE_BINS,
    COUNT,
    LATENCY,
    MAX_BYTES,
    MICRO,
    SCORE,
    TIMED,
    TRUNCATED,
    UNCERTAIN,
    WIDTHS,
    Sums,
)
from tests.unit.dashboard.records import LABELS, NOW_S, letter, scored

RECORDS = st.builds(
    lambda age, late_ms, label, score, flags, topic, group: scored(
        at_s=NOW_S - age,
        label=label,
        score=round(score, 6),
        uncertain=flags[0],
        truncated=flags[1],
        scored_ms=None if late_ms is None else round((NOW_S - age) * 1000) + late_ms,
        source=scored().source._replace(topic=topic),  # type: ignore[union-attr]
        group=group,
    ),
    st.one_of(st.integers(-120, 120), st.integers(-100, 200_000), st.integers(-(2**50), 2**50)),
    st.none() | st.integers(-1_000, 100_000) | st.integers(-(2**50), 2**50),
    st.sampled_from(LABELS),
    st.floats(0, 1),
    st.tuples(st.booleans(), st.booleans()),
    st.sampled_from(["texts", "reviews"]),
    st.sampled_from(["", "a", "b"]),
)


@settings(max_examples=60)
@given(
    batches=st.lists(st.lists(RECORDS, max_size=12), max_size=6), steps=st.lists(st.integers(0, 4_000), max_size=6)
)
def test_sums_equal_a_plain_count(batches: list[list[Scored]], steps: list[int]) -> None:
    """Given records in any order and a clock that goes on, then each bucket holds what a plain count says.

    Every record is in a bucket, has expired or is outside, at every width.
    """
    sums, now_s, seen = Sums(), NOW_S, list[Scored]()
    for number, batch in enumerate(batches):
        now_s += steps[number] if number < len(steps) else 0
        sums.add(batch, now_s)
        seen += batch
    sums.expire(now_s)

    for level, (width_s, slots) in zip(sums.levels, WIDTHS, strict=True):
        assert level.kept() + level.expired + level.outside == len(seen)
        oldest = level.oldest(now_s)
        data = level.read(oldest, slots)
        assert int(data[:, :, COUNT].sum()) == level.kept()
        expected: Counter[tuple[int, str, str, str]] = Counter()
        for one in seen:
            if one.event_ms // 1000 // width_s >= oldest and _came_in_time(one, batches, steps, width_s, slots):
                topic = one.source.topic if one.source else ""
                expected[one.event_ms // 1000 // width_s, one.label, topic, one.group] += 1
        found = {
            (oldest + bucket, kind.label, kind.topic, kind.group): int(data[bucket, row, COUNT])
            for bucket in range(slots)
            for row, kind in enumerate(sums.rows.keys)
            if row < data.shape[1] and data[bucket, row, COUNT]
        }
        assert found == dict(expected)


def _came_in_time(one: Scored, batches: list[list[Scored]], steps: list[int], width_s: int, slots: int) -> bool:
    """Whether a record was within the ring's time when it came."""
    now_s = NOW_S
    for number, batch in enumerate(batches):
        now_s += steps[number] if number < len(steps) else 0
        if any(one is other for other in batch):
            newest = int(now_s + AHEAD_S) // width_s
            return newest - slots < one.event_ms // 1000 // width_s <= newest
    raise AssertionError


def test_columns_add_up() -> None:
    """Given results with marks, scores and times, then each column holds its sum."""
    sums = Sums()
    sums.add(
        [
            scored(1, score=0.123456, uncertain=True),
            scored(2, score=1.0, truncated=True),
            scored(3, score=0.0, scored_ms=None),
        ],
        NOW_S,
    )
    (row,) = sums.levels[0].read(int(NOW_S), 1)[0, :1]

    assert (row[COUNT], row[UNCERTAIN], row[TRUNCATED], row[TIMED]) == (3, 1, 1, 2)
    assert row[SCORE] == 1_123_456 == round(1.123456 * MICRO)
    assert row[CONFIDENCE : CONFIDENCE + CONFIDENCE_BINS].nonzero()[0].tolist() == [0, 2, CONFIDENCE_BINS - 1]
    assert row[LATENCY:].sum() == 2
    assert quantile(row[LATENCY:].tolist(), 0.5) == 75


def test_a_record_of_the_future_costs_no_history() -> None:
    """Given a record stamped a day ahead, when it comes, then it is outside, and older buckets stay."""
    sums = Sums()
    sums.add([scored(1, at_s=NOW_S - 600)], NOW_S)
    sums.add([scored(2, at_s=NOW_S + 86_400)], NOW_S)

    assert [level.outside for level in sums.levels] == [1, 1, 1]
    assert [level.kept() for level in sums.levels] == [1, 1, 1]


def test_memory_is_bounded_and_nothing_is_lost() -> None:
    """Given more kinds than there are rows, then the tables stay within MAX_BYTES, and labels keep their sums."""
    sums = Sums()
    flood = [scored(n, label=LABELS[n % 3], group=f"user {n}") for n in range(5_000)]
    sums.add(flood, NOW_S)
    sums.add_letters([letter(n, error=f"E{n}", reason=f"r{n}") for n in range(1_000)], NOW_S)

    assert sums.nbytes <= MAX_BYTES < 110e6
    counts: Counter[str] = Counter()
    for kind, row in zip(sums.rows.keys, sums.levels[0].read(int(NOW_S), 1)[0], strict=False):
        counts[kind.label] += int(row[COUNT])
    assert counts == Counter(one.label for one in flood)
    assert sum(level.kept() for level in sums.letter_levels) == 3_000


def test_a_flood_of_labels_shares_one_row() -> None:
    """Given thousands of labels, which no model has, then every record is still counted."""
    sums = Sums()
    sums.add([scored(n, label=f"label {n}") for n in range(3_000)], NOW_S)

    assert sums.levels[0].kept() == 3_000
    assert sums.nbytes <= MAX_BYTES


def test_a_bucket_that_nobody_asks_for_any_more_is_emptied() -> None:
    """Given a quiet stream, when time alone passes, then old buckets expire and are not shown again."""
    level = Level(1, 900, 1)
    sums = Sums()
    sums.add([scored(1)], NOW_S)
    sums.expire(NOW_S + 1_000)

    assert sums.levels[0].kept() == 0
    assert sums.levels[0].expired == 1
    assert sums.levels[1].kept() == 1
    assert level.first_filled() is None
