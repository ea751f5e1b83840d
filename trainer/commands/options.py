"""The options that commands share: settings of `trainer.settings`, and the paths of the data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from shared.command_line import SettingOptions
from trainer.settings import OTHER_COMMANDS, TrainerEnvironment

if TYPE_CHECKING:
    from trainer.data.examples import Examples
    from trainer.settings import TrainerSettings

Data = Annotated[
    Path, typer.Option("--data", help="CSV, JSON, Parquet, text files, a folder of them; or a data set by name.")
]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels", help="File of ids and labels, joined to --data, or of a label a line.", show_default=False
    ),
]
Name = Annotated[
    str | None, typer.Option("--name", help="Name of the model; default: the folder's.", show_default=False)
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an older model.")]
BehaviourSuite = Annotated[
    bool, typer.Option("--behaviour/--no-behaviour", help="Run the behaviour suite, which is in English.")
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Exit code 81 if parts overlap, or the labels of a text conflict."),
]

Validation = Annotated[
    Path | None,
    typer.Option(
        "--validation", help="Data of their own for this part; default: cut from --data.", show_default=False
    ),
]
Calibration = Annotated[
    Path | None, typer.Option("--calibration", help="The same, to calibrate probabilities.", show_default=False)
]
Test = Annotated[Path | None, typer.Option("--test", help="The same, for the test.", show_default=False)]


def read_given(
    settings: TrainerSettings, validation: Path | None, calibration: Path | None, test: Path | None
) -> dict[str, Examples]:
    """The parts that come from files of their own, with the columns and rules of --data.

    Of a data set by name, which has parts itself, the same part is taken. Raises InputDataError if it has none.
    """
    from trainer.data.datasets.named import read_part  # noqa: PLC0415

    files = {"validation": validation, "calibration": calibration, "test": test}
    own = settings.model_copy(update={"split_column": None})
    return {name: read_part(file, name, own) for name, file in files.items() if file}


BASE: Final = ("trainer.base", "trainer.base_revision")
MODEL: Final = ("trainer.model", "trainer.characters", "trainer.lowercase", "trainer.remove_stop_words")
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
    "trainer.split_column",
    "trainer.test_rows",
    "trainer.test_fraction",
    "trainer.validation_fraction",
    "trainer.calibration_fraction",
    "trainer.seed",
)
GIVEN: Final = ("trainer.keep_overlaps",)
ENCODER: Final = ("trainer.head", "trainer.layers")
TEACHER: Final = (
    "trainer.teacher",
    "trainer.unlabelled",
    "trainer.distil_alpha",
    "trainer.distil_temperature",
)
LOOP: Final = (
    "trainer.epochs",
    "trainer.budget",
    "trainer.learning_rate",
    "trainer.batch_size",
    "trainer.accumulate",
    "trainer.max_tokens",
    "trainer.max_segments",
    "trainer.contrast_rows",
    "trainer.augment",
    "trainer.class_weighting",
    "trainer.dropout",
    "trainer.ema_decay",
    "trainer.evaluations_per_epoch",
    "trainer.patience",
    "trainer.freeze",
    "trainer.checkpoint_every_s",
)
COMPUTING: Final = ("trainer.precision", "trainer.device")
TRAINING: Final = (*ENCODER, *TEACHER, *LOOP, *COMPUTING)
RESULTS: Final = ("trainer.decide", "trainer.uncertain_accuracy", "trainer.polarity")
GATES: Final = ("trainer.min_macro_recall", "trainer.max_ece", "trainer.max_failures")
KAFKA: Final = ("kafka.bootstrap_servers", "kafka.insecure")
INPUT: Final = ("trainer.format", "trainer.text_field", "trainer.id_field")
LOGS: Final = ("log_level", "log_format")

settings_options: Final = SettingOptions(
    TrainerEnvironment,
    others=OTHER_COMMANDS,
    panels={
        "Model": (*MODEL, *BASE, *ENCODER),
        "Files": FILES,
        "Columns and labels": (*COLUMNS, "trainer.time_column", "trainer.source_column", *LABELS),
        "Parts": (*(name for name in SPLIT if name != "trainer.time_column"), *GIVEN),
        "Teacher": TEACHER,
        "Training": LOOP,
        "Labels and probabilities of results": RESULTS,
        "Gates": GATES,
        "Kafka": (*KAFKA, *INPUT),
        "Machine and logs": (*COMPUTING, "trainer.cache_dir", "trainer.report_to", *LOGS),
    },
)
