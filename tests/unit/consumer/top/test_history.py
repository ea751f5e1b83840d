"""Figures over the last seconds, with processes that come and go."""

from __future__ import annotations

import pytest

from consumer import metrics
from consumer.monitoring.values import Values
from consumer.top.history import POINTS, WINDOW_S, History
from shared.http.scrape import NoAnswer, Snapshot, Target
from tests.unit.consumer.top.exposing import snapshot

TARGETS = [Target("127.0.0.1", 9464), Target("127.0.0.1", 9465)]
AWAY = NoAnswer("is not there")


def test_a_rate_is_that_of_the_window() -> None:
    """Given 10 records a second and then none, when the window is over, then the rate is 0."""
    history, values = History(TARGETS[:1]), Values()
    for second in range(0, 60, 2):
        view = history.add([snapshot(second, lambda v: v.add(metrics.MESSAGES, 20, "result"), values=values)])
    assert view.now.records_s == 10
    for second in range(60, 60 + int(WINDOW_S) + 2, 2):
        view = history.add([snapshot(second, values=values)])
    assert view.now.records_s == 0
    assert len(view.past) <= POINTS
    assert view.past[0].records_s == 10


def test_a_process_that_is_away_leaves_the_sums_and_comes_back() -> None:
    """Given a process that does not answer, then its line says why, and no sum holds what it had."""
    history, values = History(TARGETS), Values()
    values.set(metrics.OWNED, 3)
    history.add([snapshot(0, values=values), AWAY])
    view = history.add([snapshot(2, values=values), AWAY])
    assert [one.trouble for one in view.processes] == ["", "is not there"]
    assert view.processes[0].partitions == 3
    view = history.add([AWAY, snapshot(4)])
    assert [one.trouble for one in view.processes] == ["is not there", ""]
    assert view.now.records_s == 0 or view.now.records_s is None


def test_a_partition_that_two_processes_show_counts_once() -> None:
    """Given a rebalance between two scrapes, then the lag is not twice that of the partition."""
    place = (("partition", "0"), ("topic", "texts"))
    both = [
        Snapshot(1.0, {"sentiment_lag_records": {place: lag}, "sentiment_lag_seconds": {place: 2}})
        for lag in (7, 9)
    ]
    view = History(TARGETS).add(both)
    assert view.now.lag_records == 9
    assert view.now.lag_s == 2


def test_drift_is_the_distance_by_its_threshold() -> None:
    """Given two processes, then the larger one counts; a threshold of 0 is none."""
    answers = []
    for value in (0.1, 0.3):
        values = Values()
        values.set(metrics.DRIFT_STATISTIC, value, "labels", "psi")
        values.set(metrics.DRIFT_THRESHOLD, 0.2, "labels", "psi")
        values.set(metrics.DRIFT_STATISTIC, value, "tokens", "js")
        values.set(metrics.DRIFT_THRESHOLD, 0.0, "tokens", "js")
        answers.append(snapshot(0, values=values))
    assert History(TARGETS).add(answers).now.drift == {"labels": pytest.approx(1.5)}


def test_totals_are_those_since_the_processes_began() -> None:
    """Dead letters by stage and reason, the most frequent first; aborted transactions alone."""
    values = Values()
    values.add(metrics.DEAD_LETTERS, 1, "score", "ProcessDied")
    values.add(metrics.DEAD_LETTERS, 4, "decode", "NotJson")
    for state, number in (("begun", 9), ("committed", 7), ("aborted", 2)):
        values.add(metrics.TRANSACTIONS, number, state)
    now = History(TARGETS[:1]).add([snapshot(0, values=values)]).now
    assert list(now.dead_letters.items()) == [("decode NotJson", 4), ("score ProcessDied", 1)]
    assert now.events["transactions aborted"] == 2
