"""The command line `sentiment-trainer`: settings, wiring, what is printed, exit codes.

Each command imports its work when it runs: torch takes seconds that `--help` need not wait for.
"""

# ruff: noqa: PLC0415, PLR0917 - see above; and an option of typer is a parameter

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NoReturn

import structlog
import typer
from rich.console import Console
from rich.text import Text

from shared.logs import configure_logs, exit_with
from shared.terminal import escaped
from trainer.settings import TrainerEnvironment, TrainerSettings, trainer_environment

app = typer.Typer(
    name="sentiment-trainer",
    help="Makes sentiment models: fetch or archive texts, train on them, evaluate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
log = structlog.get_logger()


LAST_OFFSET: Final = 2**63 - 1


def _setting(name: str) -> Any:
    """An option that stands for a setting: its help is the setting's, its default is left to the setting."""
    field = TrainerSettings.model_fields[name]
    default = "" if field.default is None or field.default_factory else f" (default: {field.default})"
    return typer.Option(f"--{name.replace('_', '-')}", help=f"{field.description}{default}", show_default=False)


Config = Annotated[Path | None, typer.Option("--config", help="YAML file of settings.", show_default=False)]
CacheDir = Annotated[Path | None, _setting("cache_dir")]
Data = Annotated[Path, typer.Option("--data", help="CSV, JSONL, Parquet or the folder of an archive.")]
Labels = Annotated[
    Path | None, typer.Option("--labels", help="File of ids and labels, joined to --data.", show_default=False)
]
TextColumn = Annotated[str | None, _setting("text_column")]
LabelColumn = Annotated[str | None, _setting("label_column")]
IdColumn = Annotated[str | None, _setting("id_column")]
LogLevel = Annotated[
    str | None,
    typer.Option("--log-level", help="debug, info, warning or error (default: info).", show_default=False),
]
TimeColumn = Annotated[str | None, _setting("time_column")]
Split = Annotated[str | None, _setting("split")]
TestRows = Annotated[int | None, _setting("test_rows")]
TestFraction = Annotated[float | None, _setting("test_fraction")]
ValidationFraction = Annotated[float | None, _setting("validation_fraction")]
CalibrationFraction = Annotated[float | None, _setting("calibration_fraction")]
Seed = Annotated[int | None, _setting("seed")]
Device = Annotated[str | None, _setting("device")]


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="Name of the data set, such as vader-tweets.")],
    output: Annotated[Path, typer.Option("--output", help="Parquet file to write.")],
    cache_dir: CacheDir = None,
    config: Config = None,
    log_level: LogLevel = None,
) -> None:
    """Fetches a named public data set and writes it as Parquet."""
    from trainer.data.datasets import fetch_dataset
    from trainer.data.examples import write_examples
    from trainer.data.packages import sha256

    settings = _settings(config, _given(locals())).trainer
    with _busy(f"fetching {name}"):
        examples = fetch_dataset(name, settings.cache_dir)
        write_examples(examples, output)
    counts = ", ".join(f"{rows:,} {label}" for label, rows in examples.counts().items())
    _print(f"{output}: {len(examples):,} rows ({counts}), SHA-256 {sha256(output)}")


@app.command()
def train(
    data: Data,
    output: Annotated[Path, typer.Option("--output", help="Folder that the model shall be.")],
    labels: Labels = None,
    base: Annotated[str | None, _setting("base")] = None,
    base_revision: Annotated[str | None, _setting("base_revision")] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the model; default: the folder's.", show_default=False)
    ] = None,
    held_out: Annotated[
        Path | None,
        typer.Option("--held-out", help="Parquet file for the test rows, which the model never sees."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an older model.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep a checkpoint beside the output; continue from it if there.")
    ] = False,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    id_column: IdColumn = None,
    time_column: TimeColumn = None,
    split: Split = None,
    test_rows: TestRows = None,
    test_fraction: TestFraction = None,
    validation_fraction: ValidationFraction = None,
    calibration_fraction: CalibrationFraction = None,
    epochs: Annotated[int | None, _setting("epochs")] = None,
    learning_rate: Annotated[float | None, _setting("learning_rate")] = None,
    batch_size: Annotated[int | None, _setting("batch_size")] = None,
    max_tokens: Annotated[int | None, _setting("max_tokens")] = None,
    class_weighting: Annotated[float | None, _setting("class_weighting")] = None,
    averaging: Annotated[float | None, _setting("averaging")] = None,
    evaluations_per_epoch: Annotated[int | None, _setting("evaluations_per_epoch")] = None,
    patience: Annotated[int | None, _setting("patience")] = None,
    precision: Annotated[str | None, _setting("precision")] = None,
    device: Device = None,
    seed: Seed = None,
    cache_dir: CacheDir = None,
    config: Config = None,
    log_level: LogLevel = None,
) -> None:
    """Fine-tunes a base on labelled texts; writes a tested, calibrated, sealed model folder."""
    settings = _settings(config, _given(locals())).trainer
    from trainer.commands import train as training
    from trainer.evaluation.report import TEST, figures_table

    _hush_transformers()
    job = training.Job(
        data=data, output=output, labels=labels, held_out=held_out, name=name, overwrite=overwrite, resume=resume
    )
    artifact, report = training.train(job, settings)
    _print(figures_table(f"Held-out test rows: {report.evaluations[TEST].rows:,}", report.evaluations[TEST]))
    _print(f"{artifact.path}: version {artifact.version}, its card is {artifact.path / 'README.md'}")


@app.command()
def archive(
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
        str | None, typer.Option("--from-time", help="First time: RFC 3339 or epoch ms.", show_default=False)
    ] = None,
    to_time: Annotated[
        str | None, typer.Option("--to-time", help="Time to stop before.", show_default=False)
    ] = None,
    last: Annotated[
        int | None,
        typer.Option("--last", help="So many of the newest records, over all partitions.", min=1, max=LAST_OFFSET),
    ] = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option("--bootstrap-servers", help="Kafka, as host:port.", show_default=False)
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow plaintext, or an unverified broker, off this machine.")
    ] = False,
    format: Annotated[str | None, _setting("format")] = None,  # noqa: A002 - the consumer's name for it
    text_field: Annotated[str | None, _setting("text_field")] = None,
    id_field: Annotated[str | None, _setting("id_field")] = None,
    config: Config = None,
    log_level: LogLevel = None,
) -> None:
    """Copies a range of a topic to Parquet files, with keys, headers and coordinates; resumable."""
    kafka = {"kafka.bootstrap_servers": bootstrap_servers, "kafka.insecure": insecure or None}
    environment = _settings(config, {**_given(locals()), **kafka})
    from shared.messages import InputFormat
    from trainer.data.archive.archive import Selection
    from trainer.data.archive.archive import archive as run
    from trainer.data.readers import epoch_ms

    settings = environment.trainer
    selection = Selection(
        from_offset=from_offset,
        to_offset=to_offset,
        from_time_ms=epoch_ms(from_time, "--from-time"),
        to_time_ms=epoch_ms(to_time, "--to-time"),
        last=last,
    )
    form = InputFormat(settings.format, settings.text_field, settings.id_field)
    done = run(environment.kafka, topic, output, selection, form)
    _print(
        f"{output}: {done.rows:,} records archived, {done.undecodable:,} of them without a text; "
        f"{done.already:,} offsets were archived before"
    )
    if last is not None and done.lacking:
        _print(f"the topic has only {last - done.lacking:,} of the {last:,} records that --last asked for")


@app.command()
def evaluate(
    model: Annotated[Path, typer.Option("--model", help="Model folder.")],
    data: Data,
    labels: Labels = None,
    write: Annotated[bool, typer.Option("--write/--no-write", help="Write the result into the folder.")] = True,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    id_column: IdColumn = None,
    device: Device = None,
    config: Config = None,
    log_level: LogLevel = None,
) -> None:
    """Measures a model on labelled texts; with --write its metrics.json and card tell the result."""
    settings = _settings(config, _given(locals())).trainer
    from trainer.commands import evaluate as evaluation
    from trainer.commands.train import column_names
    from trainer.evaluation.report import figures_table
    from trainer.models.devices import choose_device

    _hush_transformers()
    found = evaluation.evaluate(
        model, data, column_names(settings), labels=labels, device=choose_device(settings.device), write=write
    )
    _print(figures_table(f"{model} on {found.name}: {found.figures.rows:,} rows", found.figures))
    _print(f"version {found.version}" + (f", written to {model / 'README.md'}" if write else ""))


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    data: Annotated[Path, typer.Option("--data", help="The data that the model was trained on.")],
    kind: Annotated[Literal["int8"], typer.Option("--precision", help="What to make.")],
    labels: Labels = None,
    calibration_rows: Annotated[
        int,
        typer.Option(
            "--calibration-rows", help="Training rows that set the ranges of int8.", min=1, max=1_000_000
        ),
    ] = 300,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    id_column: IdColumn = None,
    time_column: TimeColumn = None,
    split: Split = None,
    test_rows: TestRows = None,
    test_fraction: TestFraction = None,
    validation_fraction: ValidationFraction = None,
    calibration_fraction: CalibrationFraction = None,
    seed: Seed = None,
    config: Config = None,
    log_level: LogLevel = None,
) -> None:
    """Adds a faster graph for CPUs to a model folder, if it answers as the model does on held-out rows.

    Give the data, and the options for columns, split and seed, that the model was trained with.
    """
    settings = _settings(config, _given(locals())).trainer
    from trainer.commands.export import export_int8, figures
    from trainer.commands.train import column_names

    _hush_transformers()
    artifact = export_int8(
        model, data, column_names(settings), settings, labels=labels, calibration_rows=calibration_rows
    )
    if artifact.manifest.int8:
        _print(figures(artifact.manifest.int8))
    _print(f"{artifact.path}: version {artifact.version}, now with {kind}")


def main() -> NoReturn:
    """Runs the command line and exits with the code of `shared.errors`."""
    # Threads of torch that wait must not spin: beside another busy process on 2 cores, a training step
    # took 6.2 s spinning and 0.4 s sleeping. Read when torch is loaded, so it is set before.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    exit_with(app)


def _given(parameters: dict[str, Any]) -> dict[str, object]:
    """Those parameters of a command that stand for settings."""
    named = {
        f"trainer.{name}": value for name, value in parameters.items() if name in TrainerSettings.model_fields
    }
    return {**named, "log_level": parameters["log_level"]}


def _settings(config: Path | None, flags: dict[str, object]) -> TrainerEnvironment:
    """Reads every setting and sets up logging by them."""
    environment = trainer_environment(flags, config)
    configure_logs(environment.log_level)
    return environment


def _hush_transformers() -> None:
    """Silences what repeats our own errors, or warns of the fresh head on a base, which is what we want."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


def _busy(message: str) -> Any:
    return Console(stderr=True).status(Text(escaped(message)))


def _print(what: Any) -> None:
    """Prints a line, or a table whose makers have escaped it."""
    line = Text(escaped(what)) if isinstance(what, str) else what
    Console(soft_wrap=True, highlight=False).print(line)


if __name__ == "__main__":
    main()
