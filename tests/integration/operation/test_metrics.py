"""What Prometheus counts of several processes is what an independent reader counts in the topics."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from tests.integration.load import ENVIRONMENT, Load, Written
from tests.integration.operation.scraping import Scraper

if TYPE_CHECKING:
    from pathlib import Path

    from sentiment_testing.process import ConsumerProcess
    from tests.integration.conftest import Consumers, Topics

STAGE_HEADER: Final = "__connect.errors.stage"
REASON_HEADER: Final = "__connect.errors.exception.class.name"
RESULTS: Final = ("sentiment_messages_total", (("outcome", "result"),))

pytestmark = pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])


def test_sums_after_rebalances_and_orderly_stops_are_exact(
    *, delivery: str, topics: Topics, model: Path, consumers: Consumers
) -> None:
    """Given members that join and leave under load, when all have stopped in order, then every sum is exact.

    Outcomes, labels, and dead letters by stage and reason.
    """
    with Scraper() as scraper:
        with Load(topics) as load:
            first = _start(consumers, scraper, topics, model, delivery)
            first.await_log('"event": "batch"', count=5)
            second = _start(consumers, scraper, topics, model, delivery)
            second.await_log('"event": "batch"', count=5)
            assert second.terminate()[0] == 0
        third = _start(consumers, scraper, topics, model, delivery, "--until-idle-s", "4")
        assert third.wait() == 0
        topics.await_committed()
        assert first.terminate()[0] == 0

    written = Written(topics)
    assert scraper.sums("sentiment_messages_total", "outcome") == written.outcomes
    assert written.outcomes.total() == load.sent + scraper.total("sentiment_repeated_messages_total")
    assert scraper.sums("sentiment_labels_total", "label") == Counter(one["label"] for one in written.results)
    headers = [dict(one.headers() or ()) for one in written.letters]
    for label, header in (("stage", STAGE_HEADER), ("reason", REASON_HEADER)):
        expected = Counter(str(one[header], "ascii") for one in headers)  # type: ignore[arg-type]
        assert scraper.sums("sentiment_dead_letters_total", label) == expected
    assert len(scraper.last) == 3
    assert scraper.sums("sentiment_rebalances_total", "kind")["assigned"] >= 3
    if delivery == "exactly-once":
        states = scraper.sums("sentiment_transactions_total", "state")
        assert states["begun"] == states["committed"] + states["aborted"]


def test_sums_after_a_kill_are_short_by_what_nobody_scraped(
    *, delivery: str, topics: Topics, model: Path, consumers: Consumers
) -> None:
    """Given a member that is killed under load, when others do the rest, then no sum is above the topics'.

    They are short by no more than what was written after the last scrape of the killed one began.
    """
    with Scraper() as scraper:
        with Load(topics) as load:
            first = _start(consumers, scraper, topics, model, delivery)
            second = _start(consumers, scraper, topics, model, delivery)
            killed = scraper.ports[-1]
            second.await_log('"event": "batch"', count=20)
            scraper.await_count(killed, RESULTS)
            second.kill()
            killed_at = time.time()
        third = _start(consumers, scraper, topics, model, delivery, "--until-idle-s", "9")
        assert third.wait() == 0
        topics.await_committed()
        assert first.terminate()[0] == 0

    written = Written(topics)
    counted = scraper.sums("sentiment_messages_total", "outcome")
    missing = written.outcomes["result"] - counted["result"]
    assert 0 <= missing <= written.between(scraper.began[killed], killed_at)
    assert scraper.last[killed][RESULTS] > 0
    assert counted <= written.outcomes
    if delivery == "exactly-once":
        assert written.outcomes.total() == load.sent


def _start(
    consumers: Consumers, scraper: Scraper, topics: Topics, model: Path, delivery: str, *more: str
) -> ConsumerProcess:
    port = scraper.add()
    flags = topics.flags("--model", str(model), "--delivery", delivery, "--instance-id", f"member-{port}", *more)
    return consumers.start([*flags, "--metrics-port", str(port)], ENVIRONMENT)
