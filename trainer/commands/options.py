"""The options that commands share: settings of `trainer.settings`, and the paths of the data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from shared.command_line import SettingOptions
from trainer.settings import OTHER_COMMANDS, TrainerEnvironment

settings_options: Final = SettingOptions(TrainerEnvironment, others=OTHER_COMMANDS)

Data = Annotated[Path, typer.Option("--data", help="CSV, JSON, Parquet, text files, or a folder of them.")]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels", help="File of ids and labels, joined to --data, or of a label a line.", show_default=False
    ),
]

FILES: Final = (
    "trainer.data_format",
    "trainer.encoding",
    "trainer.delimiter",
    "trainer.quote",
    "trainer.escape",
    "trainer.header",
    "trainer.columns",
)
COLUMNS: Final = ("trainer.text_column", "trainer.label_column", "trainer.id_column")
LABELS: Final = ("trainer.label_map", "trainer.ignore_label", "trainer.several_labels")
SPLIT: Final = (
    "trainer.time_column",
    "trainer.split",
    "trainer.test_rows",
    "trainer.test_fraction",
    "trainer.validation_fraction",
    "trainer.calibration_fraction",
    "trainer.seed",
)
INPUT: Final = ("trainer.format", "trainer.text_field", "trainer.id_field")
TRAINING: Final = (
    "trainer.epochs",
    "trainer.learning_rate",
    "trainer.batch_size",
    "trainer.max_tokens",
    "trainer.class_weighting",
    "trainer.dropout",
    "trainer.ema_decay",
    "trainer.evaluations_per_epoch",
    "trainer.patience",
    "trainer.precision",
    "trainer.device",
)
