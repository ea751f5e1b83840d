"""The loop reports what happens to its observer, in order: numbers and names, and no texts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from consumer.events import BatchPublished, BatchSubmitted, Recovering
from shared.formats import InputFormat
from shared.reasons import Reason, Stage
from tests.support.fakes import UNKNOWN, UNSCORABLE, oracle, text_value
from tests.support.world import UNREADABLE, World

UNCERTAIN_BELOW = 0.5
"""That of `World`."""

if TYPE_CHECKING:
    from consumer.events import Event


def test_a_run_is_told_in_events() -> None:
    """Given a publish that fails once, when run, then both submissions, a recovery and the publish are told.

    Dead letters are counted by stage and reason, and nothing quotes a text or a key.
    """
    events: list[Event] = []
    world = World(partitions=1, unscorable={"text 0/1"}, observer=events.append)
    world.produce(4)
    for value in (UNREADABLE, UNREADABLE, None, text_value(UNKNOWN), text_value(UNKNOWN)):
        world.kafka.produce(value, key=b"text 0/9")
    world.outbox.fail_at = {1}

    world.run()

    submitted, recovering, again, published = events
    for one in (submitted, again):
        assert isinstance(one, BatchSubmitted)
        assert [record.offset for record in one.records] == list(range(9))
        assert one.size > 0
        assert one.read_wait_s > 0
        assert one.decode_s > 0
    assert recovering == Recovering("publish 1 fails", refused=None, recent=1)
    assert isinstance(published, BatchPublished)
    assert published.scored_after_s > 0
    assert published.publish_s > 0
    assert [record.offset for record in published.records] == list(range(9))
    assert published.scores == [*(oracle(f"text 0/{number}") for number in (0, 2, 3)), *published.scores[3:]]
    assert [score.unknown_share for score in published.scores[3:]] == [1.0, 1.0]
    plain = replace(published, records=[], scored_after_s=0.0, publish_s=0.0)
    assert plain == BatchPublished(
        batches=1,
        records=[],
        scores=published.scores,
        dead_letters={(Stage.DECODE, Reason.BAD_RECORD): 2, (Stage.SCORE, UNSCORABLE.error): 1},
        nulls=1,
        forwarded=0,
        uncertain=sum(max(oracle(f"text 0/{number}").probabilities) < UNCERTAIN_BELOW for number in (0, 2, 3)) + 2,
        unknown=2,
        tokens=3 * oracle("text 0/0").tokens + oracle(UNKNOWN).tokens,
        computed_tokens=3 * oracle("text 0/0").computed_tokens + oracle(UNKNOWN).computed_tokens,
        repeated=1,
        unusable_ids=0,
        looks={},
        scored_after_s=0.0,
        publish_s=0.0,
        lag_records=0,
    )
    known = [oracle(text).probabilities for text in ("text 0/0", "text 0/2", "text 0/3", UNKNOWN, UNKNOWN)]
    assert [score.probabilities for score in published.scores] == known
    assert "text 0" not in repr(events)


def test_what_values_look_like_and_ids_that_cannot_be_used_are_counted() -> None:
    """Given values of several kinds with --format auto, when published, then the event counts each kind once.

    A publish that fails before counts nothing.
    """
    events: list[Event] = []
    world = World(partitions=1, observer=events.append, input_format=InputFormat(kind="auto"))
    for value in (b'{"text": "a", "id": [7]}', b'{"text": "b", "id": 7}', b"bare text", b"\x1f\x8b\0", None):
        world.kafka.produce(value, key=b"k")
    world.outbox.fail_at = {1}

    world.run()

    published = [event for event in events if isinstance(event, BatchPublished)]
    assert sum(event.unusable_ids for event in published) == 1
    assert sum((Counter(event.looks) for event in published), Counter()) == {
        "JSON": 2,
        "text": 1,
        "compressed with gzip": 1,
    }
