"""`sentiment-trainer fetch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shared.command_line import Loaded
from shared.terminal import busy, show
from trainer.commands.options import settings_options
from trainer.settings import TrainerEnvironment


@settings_options("trainer.cache_dir", "log_level")
def fetch(
    loaded: Loaded[TrainerEnvironment],
    name: Annotated[str, typer.Argument(help="Name of the data set, such as vader-tweets.")],
    *,
    output: Annotated[Path, typer.Option("--output", help="Parquet file to write.")],
) -> None:
    """Fetches a named public data set and writes it as Parquet."""
    from trainer.data.datasets import find_dataset  # noqa: PLC0415
    from trainer.data.examples import write_examples  # noqa: PLC0415
    from trainer.data.packages import sha256  # noqa: PLC0415

    with busy(f"fetching {name}"):
        examples = find_dataset(name).load(loaded.settings.trainer.cache_dir)
        write_examples(examples, output)
    counts = ", ".join(f"{rows:,} {label}" for label, rows in examples.counts().items())
    show(f"{output}: {len(examples):,} rows ({counts}), SHA-256 {sha256(output)}")
