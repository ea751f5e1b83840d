"""`sentiment-trainer archive`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Final

import typer

from shared.command_line import Loaded
from shared.errors import SettingsError
from shared.terminal import show
from trainer.commands.options import INPUT, KAFKA, LOGS, settings_options
from trainer.settings import TrainerEnvironment

LAST_OFFSET: Final = 2**63 - 1  # Kafka's offsets are signed numbers of 64 bits


@settings_options(*KAFKA, *INPUT, *LOGS)
def archive(
    loaded: Loaded[TrainerEnvironment],
    *,
    topic: Annotated[str, typer.Option("--topic", help="Topic to read; no group is joined, nothing committed.")],
    output: Annotated[Path, typer.Option("--output", help="Folder of Parquet files; run again to add to it.")],
    from_offset: Annotated[
        int | None,
        typer.Option(
            "--from-offset", help="First offset, in every partition.", show_default=False, min=0, max=LAST_OFFSET
        ),
    ] = None,
    to_offset: Annotated[
        int | None,
        typer.Option(
            "--to-offset", help="Offset to stop before, in every one.", show_default=False, min=0, max=LAST_OFFSET
        ),
    ] = None,
    from_time: Annotated[
        str | None,
        typer.Option("--from-time", help="First time: RFC 3339, or epoch seconds or ms.", show_default=False),
    ] = None,
    to_time: Annotated[
        str | None, typer.Option("--to-time", help="Time to stop before.", show_default=False)
    ] = None,
    last: Annotated[
        int | None,
        typer.Option("--last", help="Number of the newest records, over all partitions.", min=1, max=LAST_OFFSET),
    ] = None,
    labels_topic: Annotated[
        str | None,
        typer.Option(
            "--labels-topic",
            help="Topic of labels to join with the archive: its labelled records become OUTPUT-labelled.parquet.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Copies a range of a topic to Parquet files, with keys, headers and coordinates; resumable."""
    from shared.kafka.labels.reader import LabelReader  # noqa: PLC0415
    from trainer.data.archive.archive import Selection  # noqa: PLC0415
    from trainer.data.archive.archive import archive as run  # noqa: PLC0415
    from trainer.data.archive.labelled import join_labels, joined_lines, labelled_file  # noqa: PLC0415

    selection = Selection(
        from_offset=from_offset,
        to_offset=to_offset,
        from_time_ms=_ms(from_time, "--from-time"),
        to_time_ms=_ms(to_time, "--to-time"),
        last=last,
    )
    kafka, form = loaded.settings.kafka, loaded.settings.trainer.input_format
    # Opened first: a labels topic that cannot be read is said before the records are copied.
    with LabelReader(kafka, labels_topic) if labels_topic else nullcontext() as labels:
        done = run(kafka, topic, output, selection, form)
        show(
            f"{output}: {done.rows:,} records archived, {done.undecodable:,} of them without a text; "
            f"{done.already:,} offsets were archived before"
        )
        if last is not None and done.lacking:
            show(f"the topic has only {last - done.lacking:,} of the {last:,} records that --last asked for")
        if labels:
            joined = join_labels(labels.changes(), topic, output)
            for line in joined_lines(joined, labelled_file(output), labels.unreadable):
                show(line)


def _ms(time: str | None, flag: str) -> int | None:
    """Epoch milliseconds of an option; raises SettingsError if it is no time."""
    from trainer.data.times import epoch_ms  # noqa: PLC0415

    found = epoch_ms(time)
    if time is not None and found is None:
        raise SettingsError(
            f"{flag}: not a time; write 2026-01-31T10:00:00Z, or seconds or milliseconds since 1970"
        )
    return found
