"""`sentiment-consumer dlq`: lists, shows and replays dead letters."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from consumer.commands.options import KAFKA, LOGS, settings_options
from consumer.settings import ConsumerSettings
from shared.command_line import Loaded
from shared.errors import InputDataError
from shared.reasons import Reason, Stage

if TYPE_CHECKING:
    from consumer.dlq.letters import Wanted

app = typer.Typer(help="Dead letters: list them, look at one, replay them.", no_args_is_help=True)

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def since_ms(text: str) -> int:
    """Epoch milliseconds of a duration before now, such as 90m, or of an RFC 3339 time; a usage error else."""
    if match := re.fullmatch(r"([0-9]{1,6})([smhdw])", text):
        return int((datetime.now(UTC).timestamp() - int(match[1]) * _SECONDS[match[2]]) * 1000)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min  # noqa: DTZ901 - has no zone either
    if moment.tzinfo is None:
        raise typer.BadParameter("give 30s, 90m, 1h, 2d or 1w, or a time with its zone: 2026-11-24T08:00:00Z")
    return int(moment.timestamp() * 1000)


def place(text: str) -> tuple[int, int]:
    """Partition and offset of a letter; a usage error else."""
    match = re.fullmatch(r"([0-9]{1,9}):([0-9]{1,18})", text)
    if match is None:
        raise typer.BadParameter("give PARTITION:OFFSET, as sentiment-consumer dlq list writes it")
    return int(match[1]), int(match[2])


def topic_name(text: str) -> str:
    """A name that a topic may have; a usage error else."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", text):
        raise typer.BadParameter("no topic can have this name")
    return text


StageOption = Annotated[Stage | None, typer.Option("--stage", help="Only letters of this stage.")]
ErrorName = Annotated[
    str | None,
    typer.Option(
        "--error",
        help=f"Only letters of this error: {', '.join(Reason)}, or a broker's name for an error (stage publish).",
    ),
]
Since = Annotated[
    int | None,
    typer.Option(parser=since_ms, metavar="AGE|TIME", help="Only letters written since: 1h, 2d, or RFC 3339."),
]
Topic = Annotated[
    str | None, typer.Option(parser=topic_name, metavar="NAME", help="Only letters of inputs of this topic.")
]

letters_options: Final = settings_options(*KAFKA, "dlq_topic", *LOGS)


@app.command("list")
@letters_options
def list_letters(
    loaded: Loaded[ConsumerSettings],
    *,
    stage: StageOption = None,
    error: ErrorName = None,
    since: Since = None,
    topic: Topic = None,
    limit: Annotated[
        int | None,
        typer.Option(min=0, max=1_000_000_000, help="Letters to show, the newest; default: 20, with --json all."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Letters as JSON Lines, without the counts.")] = False,
) -> None:
    """Count the letters by stage, error and reason, and list them, newest first; never their texts."""
    from consumer.dlq.topic import DeadLetterTopic  # noqa: PLC0415
    from consumer.dlq.view import print_index, print_json  # noqa: PLC0415

    with DeadLetterTopic(loaded.settings) as letters:
        index = letters.index()
    (print_json if json else print_index)(index, _wanted(stage, error, since, topic), limit)


@app.command("show")
@letters_options
def show_letter(
    loaded: Loaded[ConsumerSettings],
    letter: Annotated[str, typer.Argument(metavar="PARTITION:OFFSET", help="Coordinates of the letter.")],
    *,
    text: Annotated[bool, typer.Option("--text", help="Show key and value too, made harmless.")] = False,
) -> None:
    """Show one letter whole: why, where from, all headers and sizes."""
    where = place(letter)
    from consumer.dlq.topic import DeadLetterTopic  # noqa: PLC0415
    from consumer.dlq.view import print_letter  # noqa: PLC0415
    from shared.dlq.letters import Place  # noqa: PLC0415

    with DeadLetterTopic(loaded.settings) as letters:
        found = letters.letter(Place(*where))
        replayed = letters.index().replayed.get(found.envelope.origin, [])
    print_letter(found, replayed, content=text)


@app.command("replay")
@letters_options
def replay_letters(
    loaded: Loaded[ConsumerSettings],
    *,
    to: Annotated[
        str | None,
        typer.Option(parser=topic_name, metavar="TOPIC", help="Default: the topic each input came from."),
    ] = None,
    stage: StageOption = None,
    error: ErrorName = None,
    since: Since = None,
    topic: Topic = None,
    limit: Annotated[
        int | None, typer.Option(min=1, max=1_000_000_000, help="Letters to replay at most, the oldest.")
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0.01, max=1_000_000, help="Letters a second, at most.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also those that have a receipt.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; say what would be replayed.")] = False,
) -> None:
    """Send letters back as the inputs they were, each exactly once, however often this is run.

    A letter that cannot be replayed is named with the reason, the others are; the exit code is then 65.
    """
    if to == loaded.settings.dlq_topic:
        raise typer.BadParameter("letters are read from this topic", param_hint="--to")
    from consumer.dlq.replay import Outcome, Pacer, Replay, Request, preview  # noqa: PLC0415
    from consumer.dlq.view import print_outcome  # noqa: PLC0415
    from consumer.signals import stop_on_signals  # noqa: PLC0415

    request = Request(_wanted(stage, error, since, topic), to, again, limit)
    stop = threading.Event()
    # A dry run writes nothing, so a signal may end it at once.
    if dry_run:
        outcome = Outcome.foreseen(preview(loaded.settings, request), request)
    else:
        stop_on_signals(stop)
        outcome = Replay(loaded.settings, request, pacer=Pacer(rate, wait=stop.wait), stop=stop).run()
    print_outcome(outcome, dry_run=dry_run)
    if left := len(outcome.plan.left_behind):
        raise InputDataError(f"letters that cannot be replayed: {left}; each is named above with the reason")


def _wanted(stage: Stage | None, error: str | None, since: int | None, topic: str | None) -> Wanted:
    from consumer.dlq.letters import Wanted  # noqa: PLC0415

    return Wanted(stage, error, since, topic)
