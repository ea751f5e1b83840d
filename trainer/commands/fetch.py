"""`sentiment-trainer fetch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shared.command_line import Loaded
from shared.terminal import busy, show
from trainer.commands.options import COLUMNS, LABELS, settings_options
from trainer.settings import TrainerEnvironment


@settings_options(*COLUMNS, *LABELS, "trainer.time_column", "trainer.cache_dir", "log_level")
def fetch(
    loaded: Loaded[TrainerEnvironment],
    name: Annotated[
        str,
        typer.Argument(
            help="vader-tweets, hf:OWNER/NAME for a data set of the hub, or hf:./FOLDER for a copy of one."
        ),
    ],
    *,
    output: Annotated[Path, typer.Option("--output", help="Parquet file to write.")],
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
    """Fetches a public data set by its name and writes it as Parquet.

    The options for columns, labels, subset, split and revision are for data sets of the hub.
    """
    from trainer.data.datasets import find_dataset  # noqa: PLC0415
    from trainer.data.examples import write_examples  # noqa: PLC0415
    from trainer.data.labels.rules import label_rules  # noqa: PLC0415
    from trainer.data.packages import sha256  # noqa: PLC0415
    from trainer.data.readers import column_names  # noqa: PLC0415

    settings = loaded.settings.trainer
    dataset = find_dataset(
        name, column_names(settings), label_rules(settings), subset=subset, split=split, revision=revision
    )
    with busy(f"fetching {name}: {dataset.about}"):
        examples = dataset.load(settings.cache_dir)
        write_examples(examples, output)
    counts = ", ".join(f"{rows:,} {label}" for label, rows in examples.counts().items())
    show(f"{output}: {len(examples):,} rows of {examples.source} ({counts}), SHA-256 {sha256(output)}")
