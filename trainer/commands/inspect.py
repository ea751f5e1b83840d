"""`sentiment-trainer inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from shared.command_line import Loaded
from shared.errors import UnfitData
from shared.terminal import busy, show
from trainer.commands.options import (
    BASE,
    COLUMNS,
    FILES,
    LABELS,
    LOGS,
    Calibration,
    Data,
    Labels,
    Strict,
    Test,
    Validation,
    read_given,
    settings_options,
)
from trainer.settings import TrainerEnvironment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainer.data.examples import Examples
    from trainer.data.quality.findings import DataQuality
    from trainer.settings import TrainerSettings

NOTHING: Final[Mapping[str, Examples]] = {}


@settings_options(
    *BASE,
    *FILES,
    *COLUMNS,
    *LABELS,
    "trainer.time_column",
    "trainer.split_column",
    "trainer.seed",
    "trainer.cache_dir",
    *LOGS,
)
def inspect(
    loaded: Loaded[TrainerEnvironment],
    *,
    data: Data,
    labels: Labels = None,
    validation: Validation = None,
    calibration: Calibration = None,
    test: Test = None,
    strict: Strict = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for the whole report.", show_default=False)
    ] = None,
    show_texts: Annotated[
        bool, typer.Option("--show-texts", help="Show and write the texts of doubtful rows, not only their ids.")
    ] = False,
) -> None:
    """Reports what labelled texts hold that makes a model, or its figures, worse than they look.

    Rows left out, classes, lengths, scripts, duplicates, conflicts, overlap of parts, likely label errors, drift.
    """
    from trainer.data.datasets.named import read_data  # noqa: PLC0415

    settings = loaded.settings.trainer
    examples = read_data(data, settings, labels)
    given = read_given(settings, validation, calibration, test)
    found = report_on(examples, str(data), settings, given, show_texts=show_texts)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(found.as_json(), encoding="utf-8")
    refuse_faults(found, strict=strict)


def report_on(
    examples: Examples,
    name: str,
    settings: TrainerSettings,
    given: Mapping[str, Examples] = NOTHING,
    *,
    show_texts: bool = False,
) -> DataQuality:
    """Makes the report on the rows, and on parts that are given in files of their own, and shows it."""
    from trainer.data.quality.inspect import inspect_data, with_parts  # noqa: PLC0415
    from trainer.data.quality.table import quality_tables  # noqa: PLC0415
    from trainer.models.pretrained.local import local_tokenizer  # noqa: PLC0415

    base = None
    if settings.model == "transformer":
        base = local_tokenizer(settings.base, settings.base_revision, settings.cache_dir)
    examples = with_parts(examples, given)
    with busy(f"inspecting {len(examples):,} rows"):
        found = inspect_data(examples, name, base, seed=settings.seed, show_texts=show_texts)
    for table in quality_tables(found):
        show(table)
        show("")
    return found


def refuse_faults(found: DataQuality, *, strict: bool) -> None:
    """With `strict`, raises UnfitData for overlaps of parts and texts with several labels."""
    if strict and (faults := found.faults()):
        raise UnfitData(f"{found.data}: {'; '.join(faults)}; take them out, or leave out --strict")
