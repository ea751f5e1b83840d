"""`sentiment-trainer fetch`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.command_line import Loaded
from shared.terminal import busy, show
from trainer.commands.options import COLUMNS, LABELS, LOGS, settings_options
from trainer.settings import TrainerEnvironment

if TYPE_CHECKING:
    from trainer.data.examples import Examples


@settings_options(*COLUMNS, *LABELS, "trainer.time_column", "trainer.cache_dir", *LOGS)
def fetch(
    loaded: Loaded[TrainerEnvironment],
    name: Annotated[
        str,
        typer.Argument(
            help="imdb, sentiment140, tweeteval, sst2, yelp-reviews, yelp-polarity, yelp-full, amazon-reviews, "
            "amazon-polarity, amazon-full, vader-tweets; hf:OWNER/NAME for a data set of the hub, or hf:./FOLDER "
            "for a copy of one."
        ),
    ],
    *,
    output: Annotated[Path, typer.Option("--output", help="Parquet file to write.")],
    place: Annotated[
        Path | None,
        typer.Option("--from", help="What the authors published: archive, folder or file; default: from the hub."),
    ] = None,
    keep_emoticons: Annotated[
        bool,
        typer.Option(
            "--keep-emoticons", help="Keep the emoticons that labelled the training texts of sentiment140."
        ),
    ] = False,
    subset: Annotated[
        str | None, typer.Option("--subset", help="Subset (config) of a data set of the hub.", show_default=False)
    ] = None,
    split: Annotated[
        str | None,
        typer.Option("--split", help="Split of a data set of the hub (default: train, or the only one)."),
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option("--revision", help="Commit or tag of a data set of the hub (default: the newest commit)."),
    ] = None,
) -> None:
    """Fetches a public data set by its name and writes it as Parquet, with the parts that its authors made.

    The options for columns, subset and split are for data sets of the hub.
    """
    from trainer.data.datasets import Choice, find_dataset  # noqa: PLC0415
    from trainer.data.examples import write_examples  # noqa: PLC0415
    from trainer.data.labels.rules import label_rules  # noqa: PLC0415
    from trainer.data.packages import sha256  # noqa: PLC0415
    from trainer.data.readers import column_names  # noqa: PLC0415
    from trainer.data.report import data_table  # noqa: PLC0415

    settings = loaded.settings.trainer
    choice = Choice(place, subset, split, revision, keep_emoticons)
    dataset = find_dataset(name, column_names(settings), label_rules(settings), choice)
    with busy(f"fetching {name}: {dataset.about}"):
        examples = dataset.load(settings.cache_dir)
        write_examples(examples, output)
    show(data_table(examples, name))
    counts = ", ".join(f"{rows:,} {label}" for label, rows in examples.counts().items())
    rows = f"{len(examples):,} rows of {examples.source} ({counts}){_parts(examples)}"
    show(f"{output}: {rows}, SHA-256 {sha256(output)}")


def _parts(examples: Examples) -> str:
    """The sizes of the parts, in the column `split` of the file."""
    if examples.parts is None:
        return ""
    return f"; {', '.join(f'{part} {rows:,}' for part, rows in Counter(examples.parts).items())}"
