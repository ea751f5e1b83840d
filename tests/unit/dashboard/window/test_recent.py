"""The sample: bounded, and it says why a text is missing."""

from __future__ import annotations

from collections import Counter

from dashboard.window.recent import KEPT, MAX_CHARS, PER_MINUTE_LOADED, PER_SECOND, Recent, TextState
from dashboard.window.window import Window
from tests.unit.dashboard.records import NOW_S, scored


def test_the_sample_is_bounded_in_count_and_in_characters() -> None:
    """Given more records and longer texts than it keeps, then it keeps the newest, and says what is cut."""
    recent = Recent(hidden=False)
    for second in range(100):
        for offset in range(2 * PER_SECOND):
            recent.add(scored(offset, text="x" * 100_000), NOW_S + second)

    assert len(recent) == KEPT
    newest = next(recent.newest_first())
    assert (len(newest.text), newest.cut_chars) == (MAX_CHARS, 100_000 - MAX_CHARS)
    assert newest.record.text is None


def test_a_window_that_hides_texts_holds_none() -> None:
    """Given `hidden`, when texts come with results or later, then no part of the window has them."""
    window = Window(hidden=True, clock=lambda: NOW_S)
    waiting = window.add([scored(1, text="secret"), scored(2)])
    assert waiting == []
    with window.open() as contents:
        entries = list(contents.recent.newest_first())
        assert {entry.state for entry in entries} == {TextState.HIDDEN}
        assert {entry.text for entry in entries} == {""}
        assert contents.terms.between(0, NOW_S * 2)[1] == 0


def test_a_text_that_comes_later_is_shown_and_counted() -> None:
    """Given a result without its text, when that is read, then the entry has it, and its terms count."""
    window = Window(clock=lambda: NOW_S)
    (entry,) = window.add([scored(1)])
    assert entry.state is TextState.WAITING
    window.set_text(entry, "late again")
    with window.open() as contents:
        assert next(contents.recent.newest_first()).text == "late again"
        assert contents.terms.between(0, NOW_S * 2)[0] == {"late": 1, "again": 1}


def test_the_sample_of_the_history_is_even() -> None:
    """Given a history that is read at once, partition by partition, then each minute has as many entries."""
    recent = Recent(hidden=False)
    for partition in range(3):
        for second in range(600):
            recent.add(scored(second, at_s=NOW_S - 600 + second), NOW_S + partition, is_loading=True)
    minutes = Counter(entry.record.event_ms // 60_000 for entry in recent.newest_first())

    assert set(minutes.values()) == {PER_MINUTE_LOADED}
