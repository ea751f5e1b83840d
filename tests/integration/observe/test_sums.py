"""What a real Prometheus counts of several processes is what an independent reader counts in the topics."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.integration.load import ENVIRONMENT, Load, Written
from tests.integration.observe.prometheus import prometheus
from tests.support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sentiment_testing.process import ConsumerProcess
    from tests.integration.conftest import Consumers, Topics
    from tests.integration.observe.prometheus import Prometheus

pytestmark = pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])


class Group:
    """Members of one group, each with a port that Prometheus knows from the start."""

    def __init__(self, topics: Topics, model: Path, consumers: Consumers, delivery: str) -> None:
        self.ports = [free_port() for _ in range(3)]
        self._unused: Iterator[int] = iter(self.ports)
        self._topics = topics
        self._consumers = consumers
        self._flags = ("--model", str(model), "--delivery", delivery)

    def join(self, *more: str) -> ConsumerProcess:
        """Starts one more."""
        port = str(next(self._unused))
        flags = self._topics.flags(*self._flags, "--instance-id", port, "--metrics-port", port, *more)
        return self._consumers.start(flags, ENVIRONMENT)


def counted(found: Prometheus) -> Counter[str]:
    """The messages of all members by outcome, at their last scrape."""
    return Counter(found.sums("sum by (outcome) (last_over_time(sentiment_messages_total[10m]))", "outcome"))


def test_sums_after_rebalances_and_orderly_stops_are_exact(
    *, delivery: str, topics: Topics, model: Path, consumers: Consumers, tmp_path: Path
) -> None:
    """Given members that join and leave under load, when all have stopped in order, then every sum is exact."""
    group = Group(topics, model, consumers, delivery)
    with prometheus(tmp_path, group.ports) as found:
        with Load(topics) as load:
            first, second = group.join(), group.join()
            for member in (first, second):
                member.await_log('"event": "batch"', count=5)
            found.await_up(2)
            assert second.terminate()[0] == 0
        third = group.join("--until-idle-s", "4")
        assert third.wait() == 0
        topics.await_committed()
        assert first.terminate()[0] == 0
        sums = counted(found)
        repeated = found.query("sum(last_over_time(sentiment_repeated_messages_total[10m]))")

    written = Written(topics)
    assert sums == +written.outcomes
    assert written.outcomes.total() == load.sent + int(repeated[0]["value"][1])


def test_sums_after_a_kill_are_short_by_what_nobody_scraped(
    *, delivery: str, topics: Topics, model: Path, consumers: Consumers, tmp_path: Path
) -> None:
    """Given a member that is killed under load, when others do the rest, then no sum is above the topics'.

    They are short by no more than what was written after the last scrape of the killed one.
    """
    group = Group(topics, model, consumers, delivery)
    with prometheus(tmp_path, group.ports) as found:
        with Load(topics):
            first, second = group.join(), group.join()
            found.await_up(2)
            second.await_log('"event": "batch"', count=20)
            second.kill()
            killed_at = time.time()
        third = group.join("--until-idle-s", "9")
        assert third.wait() == 0
        topics.await_committed()
        assert first.terminate()[0] == 0
        sums = counted(found)
        last = found.last_scrape(f"127.0.0.1:{group.ports[1]}", "sentiment_messages_total")

    written = Written(topics)
    assert 0 < last < killed_at
    assert 0 <= written.outcomes["result"] - sums["result"] <= written.between(last, killed_at)
    assert sums <= written.outcomes
