"""The store of the latest labels: equal to a plain replay, in the order in which an archive is read."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InputDataError
from shared.kafka.labels.reader import Change, latest
from shared.messages import Label, LabelKey
from tests.support.labels import FEW_KEYS, KEY, MOMENT, label
from trainer.data.archive import label_store as module
from trainer.data.archive.label_store import label_store

CHANGES = st.lists(
    st.tuples(FEW_KEYS, st.none() | st.sampled_from(["positive", "negative", "unsure"]), st.integers(0, 3)),
    max_size=60,
).map(
    lambda drawn: [Change(key, _at(key, verdict, second) if verdict else None) for key, verdict, second in drawn]
)


def _at(key: LabelKey, verdict: str, second: int) -> Label:
    return label(key, verdict, labelled_at=MOMENT + timedelta(seconds=second))


@given(changes=CHANGES, start=st.integers(0, 5), stop=st.integers(0, 5))
def test_the_store_holds_what_a_plain_replay_leaves(changes: list[Change], start: int, stop: int) -> None:
    """Each record of a span with its labels in the order of their times; other topics and partitions apart."""
    replayed = latest(changes)
    span = range(start, stop)
    expected = {
        offset: sorted(
            (one for one in replayed.values() if one.key[:3] == ("texts", 0, offset)),
            key=lambda one: (one.labelled_at, one.annotator),
        )
        for offset in span
    }
    with label_store() as store:
        store.take(changes)
        assert store.count() == len(replayed)
        assert store.count_of("texts") == sum(key.topic == "texts" for key in replayed)
        assert store.offsets("texts", 0, span) == [offset for offset in span if expected[offset]]
        found = dict(store.votes("texts", 0, span))
    assert list(found) == [offset for offset in span if expected[offset]]
    for offset, votes in found.items():
        assert [(vote.annotator, vote.verdict) for vote in votes] == [
            (one.annotator, one.verdict) for one in expected[offset]
        ]


def test_all_that_the_join_needs_is_kept() -> None:
    """At the largest offset, for the longest annotator, with a name that would end a statement of SQL."""
    key = LabelKey("texts", 2**31 - 1, 2**63 - 2, "'); DROP TABLE labels;--" + "\N{PILE OF POO}" * 176)
    with label_store() as store:
        store.take([Change(key, label(key, "'", purpose="audit", selection_probability=0.25))])
        ((offset, votes),) = store.votes("texts", key.partition, range(key.offset, key.offset + 1))
    assert (offset, len(votes)) == (key.offset, 1)
    assert votes[0] == (key.annotator, "'", label().text_sha256, "audit", 0.25)


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do about it."""

    def full(_db: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(module, "LabelStore", full)
    with pytest.raises(InputDataError, match=r"disk is full.*SQLITE_TMPDIR"), label_store():
        pass


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="Linux lists the open files of a process")
def test_what_the_cache_does_not_hold_is_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """So memory does not grow with the labels; the file has no name, and so none that is left behind."""
    monkeypatch.setattr(module, "CACHE_KIB", 256)
    changes = (
        Change(key, label(key)) for offset in range(20_000) if (key := KEY._replace(offset=offset * 7919 % 20_011))
    )
    before = _unnamed_files()
    with label_store() as store:
        store.take(changes)
        (file,) = _unnamed_files() - before
        assert Path(f"/proc/self/fd/{file}").stat().st_size > 2**20
        assert store.count() == 20_000
    assert _unnamed_files() == before


def _unnamed_files() -> set[str]:
    """Descriptors of open files that were deleted."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the descriptor of this listing is closed by now
            if str(entry.readlink()).endswith("(deleted)"):
                found.add(entry.name)
    return found
