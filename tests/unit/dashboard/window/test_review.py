"""The queue: least sure first, near-duplicates once, what is labelled never again."""

from __future__ import annotations

from dashboard.window.records import Place, Scored
from dashboard.window.review import KEPT, Review, margin_of
from shared.messages import text_sha256
from tests.unit.dashboard.records import scored


def unsure(offset: int, margin: float) -> Scored:
    """A result whose two largest probabilities differ by `margin`."""
    high = (1 + margin) / 2
    return scored(offset, probabilities={"negative": 1 - high, "positive": high})


def test_the_least_sure_come_first_and_the_queue_is_bounded() -> None:
    """Given more texts than it keeps, in any order, then it has those with the smallest margins, in order."""
    queue = Review()
    for offset in range(3 * KEPT):
        queue.add(unsure(offset, (offset * 7 % 600) / 600), f"word{offset} other{offset} more{offset}")
    margins = [one.margin for one in queue.first(KEPT)]

    assert len(queue) == KEPT
    assert margins == sorted(margins)
    assert margins[-1] < KEPT / 600


def test_near_duplicates_are_asked_for_once() -> None:
    """Given a text, its retweets and another text, then two are asked for, and one says how many are alike."""
    queue = Review()
    text = "my parcel is late and nobody answers the phone at the support"
    for offset in range(5):
        queue.add(unsure(offset, 0.1), text + " !" * offset)
    queue.add(unsure(9, 0.2), "the concert was fine")

    assert [(one.source.offset, one.alike) for one in queue.first(9)] == [(0, 4), (9, 0)]


def test_what_is_labelled_comes_back_by_an_undo_only() -> None:
    """Given a labelled text, when its record is read again, then it is not asked for until an undo."""
    queue = Review()
    place = Place("texts", 0, 1)
    queue.add(unsure(1, 0.1), "first text here")
    queue.finish(place)
    queue.add(unsure(1, 0.1), "first text here")
    assert len(queue) == 0
    queue.reopen(place)
    (one,) = queue.first(5)
    assert (one.source, one.digest) == (place, text_sha256("first text here"))
    queue.exclude([place])
    assert queue.first(5) == []


def test_the_digest_is_that_of_the_whole_text() -> None:
    """Given a text longer than what is kept, then the digest for its label is that of all of it."""
    queue = Review()
    text = "long words " * 1_000
    queue.add(unsure(1, 0.1), text)
    assert queue.first(1)[0].digest == text_sha256(text)


def test_without_two_probabilities_there_is_no_margin() -> None:
    """Given results of another producer, with one probability or none, then they are not asked for."""
    assert margin_of(scored(1, probabilities={})) is None
    assert margin_of(scored(1, probabilities={"a": 0.5})) is None
