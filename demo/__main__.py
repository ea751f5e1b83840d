"""`python -m demo`: trains once, starts a broker in this process, streams real tweets, shows them and the page.

Uses the public commands of trainer and consumer and the message models. Only the broker is simulated: it is
librdkafka's own mock cluster.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from demo.broker import EmbeddedBroker
from demo.consumer import running_consumer
from demo.model import trained_model
from demo.page import free_port, running_page
from demo.replay import Replay, held_out_tweets, in_changing_mood
from demo.show import show_live
from demo.summary import print_summary, summarise
from shared.logs import exit_with

RATE = 40.0
# As fast as one can read along: a cycle of 600 tweets takes 75 s, and the mood changes after half of them.
CALM = 8.0
console = Console(highlight=False, soft_wrap=True)


def demo(
    *,
    folder: Annotated[Path, typer.Option(help="Where model, data and summary are kept.")] = Path(".demo"),
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=10_000,
            show_default=False,
            help=f"Tweets a second; default: {RATE}, with the page {CALM}.",
        ),
    ] = None,
    paced: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Tweets sent at that rate; the rest is sent at once.")
    ] = 240,
    forever: Annotated[bool, typer.Option("--forever", help="Replay until Ctrl-C.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Without the page; ends by itself.")] = False,
) -> None:
    """Trains a small BERT on real tweets, streams others through the consumer, shows the results.

    On a terminal it opens the page, and goes on until Ctrl-C.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model, held_out = trained_model(folder, console)
    tweets = held_out_tweets(held_out)
    console.print(
        "\n[bold]2. Broker[/]  librdkafka's mock cluster inside this process: a real protocol on 127.0.0.1, "
        "no disk, no transactions, so delivery is at least once here (make kafka starts a real one)"
    )
    with ExitStack() as stack:
        broker = stack.enter_context(EmbeddedBroker(("texts", "sentiments", "sentiments.dlq")))
        console.print(f"   {broker.address}: topics texts, sentiments, sentiments.dlq")
        console.print("\n[bold]3. Consumer[/]  sentiment-consumer run, a process of its own")
        port, log = free_port(), folder / "consumer.log"
        stack.enter_context(running_consumer(broker.address, model, log, console, http_port=port))
        page = None
        if console.is_terminal and not once:
            page = stack.enter_context(running_page(broker.address, model, port, folder / "dashboard.log"))
            console.print(f"\n[bold]   The page[/]  {page}  (sentiment-dashboard; open it in a browser)")
            tweets, forever = in_changing_mood(tweets), True
        rate = rate or (CALM if page else RATE)
        count = "endless" if forever else f"{len(tweets)}, of which {min(paced, len(tweets))} at {rate:g}/s"
        console.print(f"\n[bold]4. Stream[/]  held-out tweets, never trained on: {count}\n")
        replay = Replay(broker, tweets, rate=rate, paced=paced, forever=forever)
        arrivals = show_live(broker, replay, console, page)
    if arrivals:
        print_summary(summarise(arrivals, replay, model, folder), folder, console)


if __name__ == "__main__":
    exit_with(lambda: typer.run(demo))
