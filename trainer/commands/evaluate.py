"""`sentiment-trainer evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from shared.command_line import Loaded
from shared.errors import SettingsError
from shared.terminal import show
from trainer.commands.options import COLUMNS, FILES, GATES, LABELS, LOGS, Labels, settings_options
from trainer.settings import TrainerEnvironment


@settings_options(*FILES, *COLUMNS, *LABELS, *GATES, "trainer.device", *LOGS)
def evaluate(
    loaded: Loaded[TrainerEnvironment],
    *,
    model: Annotated[Path, typer.Option("--model", help="Model folder.")],
    data: Annotated[
        Path | None,
        typer.Option("--data", help="CSV, JSON, Parquet, text files, or a folder of them.", show_default=False),
    ] = None,
    behaviour: Annotated[
        bool, typer.Option("--behaviour", help="Run the behaviour suite, which is in English.")
    ] = False,
    labels: Labels = None,
    part: Annotated[
        Literal["validation", "calibration", "test"] | None,
        typer.Option(
            "--part", help="Only the rows of this part of the training, out of its data.", show_default=False
        ),
    ] = None,
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "int8"],
        typer.Option("--precision", help="Precision to evaluate in; auto: the one that serves on this machine."),
    ] = "auto",
    write: Annotated[bool, typer.Option("--write/--no-write", help="Write the result into the folder.")] = True,
) -> None:
    """Evaluates a model on labelled texts, the behaviour suite or both; --write adds the result to its folder."""
    from shared.model_folder.artifact import open_artifact  # noqa: PLC0415
    from trainer.data.datasets.named import read_data  # noqa: PLC0415
    from trainer.data.parts import rows_of_parts  # noqa: PLC0415
    from trainer.data.report import data_table  # noqa: PLC0415
    from trainer.evaluation.gates import gates_of  # noqa: PLC0415

    settings = loaded.settings.trainer
    gates = gates_of(settings)
    behaviour = behaviour or bool(gates.max_failures)
    if data is None and not behaviour:
        raise SettingsError("nothing to evaluate: give --data, --behaviour, or both")
    if data is None and gates.on_figures:
        raise SettingsError("--min-macro-recall and --max-ece need labelled texts; give --data")
    # First, so that an error in them does not take the seconds that importing torch takes.
    artifact = open_artifact(model)
    gates.check_labels(artifact.manifest.labels, artifact.manifest.polarity)
    if part and data is None:
        raise SettingsError("--part needs the data of the training; give --data")
    examples = None
    if data is not None:
        examples = read_data(data, settings, labels)
        show(data_table(examples, str(data)))
        if part:
            examples = rows_of_parts(artifact, examples, {}, (part,))[part]

    from trainer.evaluation import evaluate as evaluation  # noqa: PLC0415
    from trainer.evaluation.behaviour.tables import behaviour_table  # noqa: PLC0415
    from trainer.evaluation.report import figures_table  # noqa: PLC0415
    from trainer.models.transformer.base import hush_transformers  # noqa: PLC0415

    hush_transformers()
    found = answered = None
    if data is not None and examples is not None:
        name = f"{data.resolve().name} ({part})" if part else data.resolve().name
        found = evaluation.evaluate(
            artifact, examples, name, device=settings.device, precision=precision, write=write
        )
        show(figures_table(f"{model} on {found.name}: {found.figures.rows:,} rows", found.figures))
        artifact = open_artifact(model)  # its manifest has the figures now
    if behaviour:
        answered = evaluation.evaluate_behaviour(
            artifact, device=settings.device, precision=precision, write=write
        )
        show(behaviour_table(answered))
    engines = dict.fromkeys(one.engine for one in (found, answered) if one and one.engine)
    show(
        f"version {artifact.version}, scored by {', '.join(engines) or 'nothing'}"
        + (f", written to {model / 'README.md'}" if write else "")
    )
    gates.require(found.figures if found else None, answered, str(model), "each has a line above")
