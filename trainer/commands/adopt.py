"""`sentiment-trainer adopt`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from shared.command_line import Loaded
from shared.terminal import few, show
from trainer.commands.options import COLUMNS, LOGS, RESULTS, Labels, Name, Overwrite, settings_options
from trainer.settings import TrainerEnvironment


@settings_options(
    *COLUMNS,
    *RESULTS,
    "trainer.max_tokens",
    "trainer.max_segments",
    "trainer.device",
    "trainer.cache_dir",
    *LOGS,
)
def adopt(
    loaded: Loaded[TrainerEnvironment],
    model: Annotated[str, typer.Argument(help="Folder, or name on the hub, of a fine-tuned classifier.")],
    *,
    output: Annotated[Path, typer.Option("--output", help="Model folder to write.")],
    revision: Annotated[
        str | None,
        typer.Option("--revision", help="Commit or tag of a model of the hub.", show_default=False),
    ] = None,
    label_names: Annotated[
        str | None,
        typer.Option("--label-names", help="Names of the labels, in the order of the outputs: a,b,c."),
    ] = None,
    normaliser: Annotated[
        Literal["on", "off"],
        typer.Option("--normaliser", help="Whether texts are normalised; off: the model gets them as they are."),
    ] = "off",
    calibrate: Annotated[
        Path | None,
        typer.Option("--calibrate", help="Labelled texts, to calibrate, test, and compare normalisers."),
    ] = None,
    labels: Labels = None,
    name: Name = None,
    overwrite: Overwrite = False,
) -> None:
    """Seals a classifier that was fine-tuned elsewhere with transformers, so that it can be served."""
    from trainer.data.datasets.named import read_data  # noqa: PLC0415

    settings = loaded.settings.trainer
    # First, so that an error in the data does not take the seconds that importing torch takes.
    data = None if calibrate is None else read_data(calibrate, settings, labels)

    from trainer.evaluation.model_card import normaliser_words  # noqa: PLC0415
    from trainer.evaluation.postprocessing.fitting import Wanted  # noqa: PLC0415
    from trainer.evaluation.report import TEST, figures_table  # noqa: PLC0415
    from trainer.models import adopt as adoption  # noqa: PLC0415
    from trainer.models.transformer.base import hush_transformers  # noqa: PLC0415

    hush_transformers()
    job = adoption.Job(
        model=model,
        output=output,
        cache_dir=settings.cache_dir,
        revision=revision,
        label_names=None if label_names is None else tuple(label_names.split(",")),
        max_tokens=settings.max_tokens,
        max_segments=settings.max_segments,
        normaliser=normaliser == "on",
        data=data,
        wanted=Wanted(settings.decide, settings.uncertain_accuracy),
        polarity=settings.polarity,
        device=settings.device,
        name=name,
        overwrite=overwrite,
    )
    artifact, report = adoption.adopt(job)
    manifest = artifact.manifest
    if report.adoption is None:
        show("not calibrated and not tested: give --calibrate labelled texts, or measure it with evaluate")
    else:
        show(figures_table(f"Test half: {report.evaluations[TEST].rows:,} rows", report.evaluations[TEST]))
        show(normaliser_words(report.adoption.normaliser, manifest))
    show(
        f"{artifact.path}: version {artifact.version}, labels {few(manifest.labels, show=str)}, up to "
        f"{manifest.max_tokens} tokens; its card is {artifact.path / 'README.md'}"
    )
