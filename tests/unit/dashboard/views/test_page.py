"""A frame says of the window what is true, and no more."""

from __future__ import annotations

import csv
import io
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dashboard.views.csv import cell, sample, series
from dashboard.views.page import frame
from dashboard.views.selection import MAX_POINTS, Selection, stretch_of
from dashboard.window.window import Window
from tests.unit.dashboard.records import NOW_S, letter, scored


def window_of(*records: object) -> Window:
    """A window with these results."""
    window = Window(clock=lambda: NOW_S)
    window.add(list(records))  # type: ignore[arg-type]
    return window


def page(window: Window, **chosen: object) -> dict[str, Any]:
    """A frame of the window."""
    with window.open() as contents:
        return frame(contents, Selection.model_validate(chosen), NOW_S, polarity={})


def test_net_sentiment_with_the_moment_of_a_change() -> None:
    """Given a mood that falls two minutes ago, then net is the mean polarity, and `since` names the moment."""
    chance = random.Random(1)  # noqa: S311 - a test's data
    records = []
    for second in range(700):
        share = 0.2 if second >= 580 else 0.7
        label = "positive" if chance.random() < share else "negative"
        records.append(scored(second, at_s=NOW_S - 700 + second, label=label))
    found = page(window_of(*records))["mood"]

    assert isinstance(found, dict)
    assert found["net"]["low"] < found["net"]["value"] < found["net"]["high"]
    assert found["trend"]["clear"]
    assert found["trend"]["change"] < 0
    assert abs(found["since"]["at_s"] - (NOW_S - 120)) <= 5
    assert found["since"]["before"] > 0 > found["since"]["after"]


def test_a_steady_mood_has_no_moment_of_a_change() -> None:
    """Given a mood that does not change, then hardly ever a moment is named."""
    named = 0
    for seed in range(40):
        chance = random.Random(seed)  # noqa: S311
        records = [
            scored(n, at_s=NOW_S - n, label=chance.choice(["positive", "negative", "neutral"])) for n in range(299)
        ]
        named += page(window_of(*records))["mood"]["since"] is not None
    assert named <= 4


def test_labels_without_a_polarity_have_shares_only() -> None:
    """Given labels of another kind, then there is no net sentiment, but counts."""
    found = page(window_of(scored(1, label="joy"), scored(2, label="anger")))

    assert found["polarity"] is None
    assert found["mood"]["net"] is None
    assert found["counts"] == {"joy": 1, "anger": 1}


def test_no_time_before_no_comparison() -> None:
    """Given a stream that began within the stretch, then nothing is said of the time before."""
    found = page(window_of(*(scored(n, at_s=NOW_S - n) for n in range(100))))["mood"]

    assert found["trend"] is None
    assert found["before"] is None


def test_filters_by_topic_model_and_group_apply_to_sums_and_sample() -> None:
    """Given records of two groups, when one is chosen, then sums and sample have only that."""
    window = window_of(scored(1, group="app"), scored(2, group="web"), scored(3, group="web", label="negative"))
    found = page(window, group="web")

    assert found["counts"] == {"positive": 1, "negative": 1}
    assert {row["group"] for row in found["sample"]} == {"web"}
    assert [one["value"] for one in page(window)["splits"]["group"]] == ["web", "app"]


def test_a_split_shows_twenty_values_and_the_rest() -> None:
    """Given 100 values of a group, then 20 lines and one for the rest add up to all."""
    records = [scored(n, group=f"g{n % 100}", label="neutral") for n in range(1_000)]
    lines = page(window_of(*records))["splits"]["group"]

    assert len(lines) == 21
    assert sum(line["n"] for line in lines) == 1_000


def test_dead_letters_by_reason_with_the_command() -> None:
    """Given letters, one with an error that no shell may see, then each is counted, with its command or none."""
    window = Window(clock=lambda: NOW_S)
    window.add([], [letter(1), letter(2), letter(3, error="$(reboot)")])
    found = page(window)["letters"]

    assert found["n"] == 3
    commands = {one["error"]: one["command"] for one in found["kinds"]}
    assert commands == {
        "BadRecord": "sentiment-consumer dlq replay --dlq-topic sentiments.dlq --stage decode --error BadRecord"
        " --dry-run",
        "$(reboot)": None,
    }


@given(span=st.integers(60, 48 * 3_600), age=st.integers(0, 48 * 3_600))
def test_a_stretch_has_few_buckets_and_covers_what_was_asked(span: int, age: int) -> None:
    """Given any selection, then its buckets hold it, with less than a bucket more."""
    live = stretch_of(Selection(span=span), NOW_S)
    assert live.buckets <= MAX_POINTS
    assert live.end_s - live.width_s <= NOW_S < live.end_s
    end = int(NOW_S) - age
    fixed = stretch_of(Selection(start=max(0, end - span), end=end), NOW_S)
    assert fixed.end_s - fixed.width_s < end <= fixed.end_s
    assert abs(fixed.end_s - fixed.start_s - span) <= fixed.width_s


@pytest.mark.parametrize("chosen", [{"start": 5}, {"start": 9, "end": 5}, {"span": 1}, {"other": 1}])
def test_a_selection_that_makes_no_sense_is_refused(chosen: dict[str, int]) -> None:
    """Given half a stretch, a negative one, or an unknown name, then there is an error."""
    with pytest.raises(ValidationError):
        Selection.model_validate(chosen)


@given(st.text())
def test_no_cell_is_a_formula(text: str) -> None:
    """Given any text, then its cell begins with no sign of a formula, and ends with the text."""
    shown = cell(text)
    assert not shown.lstrip().startswith(("=", "+", "-", "@"))
    assert shown.endswith(text)


def test_csv_has_every_bucket_and_texts_as_they_are() -> None:
    """Given a frame, then its CSV reads back as the same numbers, and a text with quotes stays one cell."""
    window = window_of(scored(1, text='=HYPERLINK("x")\n"quoted", ok'), scored(2, label="negative"))
    found = page(window)
    rows = list(csv.reader(io.StringIO(series(found), newline="")))
    (own, *_) = [
        row for row in csv.reader(io.StringIO(sample(found["sample"]), newline="")) if row[9].endswith("-1")
    ]

    assert rows[0] == ["time", "seconds", "negative", "positive"]
    assert len(rows) == 301
    assert sum(float(row[2]) + float(row[3]) for row in rows[1:]) == 2
    assert own[-1] == '\'=HYPERLINK("x")\n"quoted", ok'
