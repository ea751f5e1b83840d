"""Scores two hours of tweets with two models, one after the other, and takes the page's pictures of them.

`python -m tests.pictures BEFORE AFTER TWEETS.parquet --output docs/images`; BEFORE and AFTER are model folders
with the labels negative, neutral and positive, and TWEETS has the columns `text` and `label_name`. The texts go
through `sentiment-consumer` on a Kafka of its own, with the times of the last two hours.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.request
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from sentiment_testing.kafka import REAL, start_kafka
from sentiment_testing.process import ConsumerProcess
from tests.pictures.hours import MODEL_CHANGES, Sent, records
from tests.pictures.shots import Shot, take
from tests.support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterable

TOPICS: Final = ("texts", "sentiments", "sentiments.dlq")
READ_S: Final = 300.0
FLUSH_S: Final = 60.0
DRIFT_WINDOW: Final = "250"
IDLE_S: Final = "3"


def main() -> None:
    """Takes the pictures."""
    parser = argparse.ArgumentParser(prog="python -m tests.pictures", description=__doc__)
    parser.add_argument("before", type=Path, help="model folder of the first part of the stream")
    parser.add_argument("after", type=Path, help="model folder of the last part of the stream")
    parser.add_argument("tweets", type=Path, help="Parquet file with the columns text and label_name")
    parser.add_argument("--output", type=Path, required=True, help="folder for the pictures")
    found = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        servers = stack.enter_context(start_kafka(REAL)).bootstrap_servers
        _make_topics(servers)
        end_ms = time.time_ns() // 1_000_000
        sent = list(records(found.tweets, end_ms))
        change_ms = end_ms - 60_000 * MODEL_CHANGES
        env = {"SENTIMENT_KAFKA__BOOTSTRAP_SERVERS": servers, "SENTIMENT_LOG_FORMAT": "json"}

        _send(servers, (one for one in sent if one.at_ms < change_ms))
        first = ConsumerProcess(
            folder / "before.log", "--model", str(found.before), "--until-idle-s", IDLE_S, env=env
        )
        with closing(first):
            if code := first.wait():
                sys.exit(f"the consumer ended with {code}:\n{first.tail}")
        _send(servers, (one for one in sent if one.at_ms >= change_ms))
        metrics = str(free_port())
        more = {"SENTIMENT_METRICS__PORT": metrics, "SENTIMENT_DRIFT__WINDOW": DRIFT_WINDOW}
        second = ConsumerProcess(folder / "after.log", "--model", str(found.after), env=env | more)
        stack.enter_context(closing(second))
        args = ("--model", str(found.after), "--metrics-urls", metrics)
        with closing(_page(folder / "live.log", env, args)) as live:
            models = _await_results(_url(live), sum(not one.is_bad for one in sent))
        # The sample of what was read live is 50 of a second, and the hour came in a few seconds: only the history
        # has some of each minute.
        page = _page(folder / "page.log", env, args)
        stack.enter_context(closing(page))
        _await_results(_url(page), sum(not one.is_bad for one in sent))
        take(_shots(models[-1]), _url(page), found.output)


def _shots(newest: str) -> list[Shot]:
    return [
        Shot("dashboard-1920-light"),
        Shot("dashboard-360-dark", width=360, height=800, theme="dark"),
        Shot("dashboard-topic", ("talk",), width=1280),
        Shot("dashboard-model-or-people", ("feel",), width=1280, query={"model": newest}),
        Shot("dashboard-lost", ("pace",), width=1280),
    ]


def _page(log: Path, env: dict[str, str], flags: tuple[str, ...]) -> ConsumerProcess:
    command = (sys.executable, "-m", "dashboard")
    page = ConsumerProcess(log, "--port", str(free_port()), *flags, env=env, command=command)
    page.await_log("http_listening")
    return page


def _url(page: ConsumerProcess) -> str:
    lines = [json.loads(line) for line in page.log.splitlines() if '"http_listening"' in line]
    return f"http://127.0.0.1:{lines[-1]['port']}/"


def _make_topics(servers: str) -> None:
    client = AdminClient({"bootstrap.servers": servers})
    for made in client.create_topics([NewTopic(name, 1) for name in TOPICS]).values():
        made.result()


def _send(servers: str, sent: Iterable[Sent]) -> None:
    producer = Producer({"bootstrap.servers": servers})
    for one in sent:
        producer.produce(TOPICS[0], one.value, timestamp=one.at_ms)
    if left := producer.flush(FLUSH_S):
        sys.exit(f"{left} records were not acknowledged within {FLUSH_S:.0f} s")


def _await_results(url: str, n: int) -> list[str]:
    """Returns the names of the models, in the order of their first result, once all results are on the page."""
    deadline = time.monotonic() + READ_S
    while True:
        with urllib.request.urlopen(f"{url}api/page?span=3600") as answer:  # noqa: S310 - our own page
            page = json.load(answer)
        if page["read"]["results"] >= n:
            return [one["name"] for one in sorted(page["models"], key=lambda one: one["first_ms"])]
        if time.monotonic() > deadline:
            sys.exit(f"{page['read']['results']} of {n} results after {READ_S:.0f} s")
        time.sleep(1)


if __name__ == "__main__":
    main()
