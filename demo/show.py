"""A subscriber of `sentiments` that shows results as they arrive."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.live import Live
from rich.table import Table
from rich.text import Text

from shared.errors import SentimentError
from shared.messages import Result
from shared.terminal import SIGNS, printable

if TYPE_CHECKING:
    from confluent_kafka import Message
    from rich.console import Console

    from demo.broker import EmbeddedBroker
    from demo.replay import Replay

ROWS = 14
PLAIN_EVERY = 25
"""Prints every 25th result if standard output is not a terminal."""
SILENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A result, and when it reached this subscriber."""

    result: Result
    latency_ms: float
    """From the producer's timestamp to here: both brokers' hops, queueing and scoring included."""
    at: float
    """Monotonic seconds."""


def show_live(broker: EmbeddedBroker, replay: Replay, console: Console, page: str | None = None) -> list[Arrival]:
    """Starts the replay and shows results until all are back, or until Ctrl-C where it is endless."""
    consumer = broker.subscriber("sentiments")
    arrivals: list[Arrival] = []
    recent: deque[Arrival] = deque(maxlen=ROWS)
    consumer.poll(5)  # join the group first, so that latency does not include this reader's start
    replay.start()
    try:
        with Live(
            console=console, refresh_per_second=8, transient=False, auto_refresh=console.is_terminal
        ) as live:
            last = time.monotonic()
            while replay.forever or len(arrivals) < replay.expected:
                message = consumer.poll(0.2)
                if message is None or message.error() is not None:
                    if time.monotonic() - last > SILENCE_S:
                        raise SentimentError(f"no result for {SILENCE_S:.0f} s; see the consumer's log")
                    continue
                last = time.monotonic()
                arrival = _arrival(message)
                arrivals.append(arrival)
                recent.append(arrival)
                if console.is_terminal:
                    live.update(_table(recent, len(arrivals), replay, page))
                elif len(arrivals) % PLAIN_EVERY == 1:
                    console.print(_line(arrival, replay))
    except KeyboardInterrupt:
        replay.stop.set()
    finally:
        consumer.close()
    return arrivals


def _arrival(message: Message) -> Arrival:
    value = message.value()
    _, sent_ms = message.timestamp()  # a result carries its input's timestamp
    return Arrival(
        Result.model_validate_json(value or b""), time.time_ns() / 1_000_000 - sent_ms, time.monotonic()
    )


def _table(recent: deque[Arrival], count: int, replay: Replay, page: str | None) -> Table:
    where = f"; the page: {page} (Ctrl-C ends)" if page else ""
    table = Table(title=f"sentiments: {count} results{where}", title_justify="left", expand=True, box=None)
    table.add_column("time", no_wrap=True)
    table.add_column("label", no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    table.add_column("text", ratio=1, no_wrap=True, overflow="ellipsis")
    for arrival in recent:
        table.add_row(*_cells(arrival, replay))
    return table


def _line(arrival: Arrival, replay: Replay) -> Text:
    when, label, probability, text = _cells(arrival, replay)
    text.truncate(100, overflow="ellipsis")
    label.pad_right(12 - len(label))
    return Text("  ").join([when, label, probability, text])


def _cells(arrival: Arrival, replay: Replay) -> tuple[Text, Text, Text, Text]:
    result = arrival.result
    sign, style = SIGNS.get(result.label, ("", ""))
    return (
        Text(f"{result.scored_at.astimezone():%H:%M:%S}", "dim"),
        Text(f"{sign} {result.label}", style),
        Text(f"{result.score:.2f}"),
        printable(replay.texts[result.id]),
    )
