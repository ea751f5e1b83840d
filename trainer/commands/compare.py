"""`sentiment-trainer compare`."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from shared.command_line import Loaded
from shared.terminal import show
from trainer.commands.options import (
    COLUMNS,
    FILES,
    GIVEN,
    LABELS,
    LOGS,
    RESULTS,
    SPLIT,
    TRAINING,
    Calibration,
    Data,
    Labels,
    Test,
    Validation,
    read_given,
    settings_options,
)
from trainer.settings import TrainerEnvironment


@settings_options(
    *FILES,
    *COLUMNS,
    *LABELS,
    *SPLIT,
    *GIVEN,
    *TRAINING,
    *RESULTS,
    "trainer.characters",
    "trainer.lowercase",
    "trainer.remove_stop_words",
    "trainer.cache_dir",
    *LOGS,
)
def compare(
    loaded: Loaded[TrainerEnvironment],
    *,
    data: Data,
    models: Annotated[
        str,
        typer.Option(
            "--models",
            help="nb, logreg, svm, nbsvm, vectors, cnn, vader, bases to fine-tune (minilm), model folders.",
        ),
    ],
    labels: Labels = None,
    validation: Validation = None,
    calibration: Calibration = None,
    test: Test = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="Folder for models and results; finished models in it are not trained again.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Trains or loads models, and compares them on the same test rows: quality, calibration, rate and size."""
    from trainer.comparison.entrants import entrants  # noqa: PLC0415
    from trainer.data.datasets.named import read_data  # noqa: PLC0415
    from trainer.data.report import data_table  # noqa: PLC0415

    settings = loaded.settings.trainer
    found = entrants(models)
    examples = read_data(data, settings, labels)
    given = read_given(settings, validation, calibration, test)
    show(data_table(examples, str(data)))

    from trainer.comparison.chart import draw  # noqa: PLC0415
    from trainer.comparison.compare import compare as run  # noqa: PLC0415
    from trainer.comparison.table import comparison, markdown, terminal_tables  # noqa: PLC0415
    from trainer.models.transformer.base import hush_transformers  # noqa: PLC0415

    hush_transformers()
    with nullcontext(output) if output else tempfile.TemporaryDirectory() as folder:
        result = comparison(*run(examples, found, settings, Path(folder), given))
    for table in terminal_tables(result):
        show(table)
    if output:
        (output / "comparison.json").write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (output / "comparison.md").write_text(markdown(result), encoding="utf-8")
        draw(result, output / "comparison.png")
        show(f"{output}: comparison.json, comparison.md, comparison.png, and a folder for each model")
