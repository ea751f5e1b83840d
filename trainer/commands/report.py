"""`sentiment-trainer report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shared.command_line import Loaded
from shared.terminal import show
from trainer.commands.options import COLUMNS, FILES, LABELS, LOGS, Labels, settings_options
from trainer.settings import TrainerEnvironment


@settings_options(*FILES, *COLUMNS, *LABELS, *LOGS)
def report(
    loaded: Loaded[TrainerEnvironment],
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    *,
    show_texts: Annotated[
        bool, typer.Option("--show-texts", help="Show the texts of the errors, from --data, in --output.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option("--data", help="The data that the model was trained on, for --show-texts.")
    ] = None,
    labels: Labels = None,
    comparison: Annotated[
        Path | None,
        typer.Option("--comparison", help="Result of compare in JSON, to add to the folder.", show_default=False),
    ] = None,
    inspection: Annotated[
        Path | None,
        typer.Option("--inspection", help="Result of inspect in JSON, to add to the folder.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="HTML file to write; default: report.html in the model folder.")
    ] = None,
) -> None:
    """Writes the HTML report of a model folder anew, from what the folder holds.

    The same folder gives the same bytes. Texts are not in a model folder, and are never written into one.
    """
    from shared.errors import SettingsError  # noqa: PLC0415
    from shared.model_folder.artifact import open_artifact  # noqa: PLC0415
    from trainer.evaluation.diagnostics.stored import plain_id  # noqa: PLC0415
    from trainer.evaluation.html.folder import (  # noqa: PLC0415
        COMPARISON,
        INSPECTION,
        check_report_path,
        report_of,
        without_texts,
        write_file,
    )

    if show_texts != (data is not None):
        raise SettingsError("--show-texts and --data go together: texts are in the data, not in the model folder")
    if show_texts and output is None:
        raise SettingsError(
            "--show-texts needs --output, a file outside of the model folder, which keeps no texts"
        )
    if output is not None and (comparison or inspection):
        raise SettingsError("--comparison and --inspection add to the model folder; leave out --output")
    if output is None:
        from trainer.models.model_folder import rebuild_report  # noqa: PLC0415

        given = {COMPARISON: comparison, INSPECTION: inspection}
        added = {name: without_texts(path) for name, path in given.items() if path}
        show(f"{rebuild_report(model, added).path / 'report.html'} was written")
        return
    check_report_path(output, model)
    artifact = open_artifact(model)
    texts = None
    if data is not None:
        from trainer.data.datasets.named import read_data  # noqa: PLC0415

        examples = read_data(data, loaded.settings.trainer, labels)
        texts = dict(zip(map(plain_id, examples.ids), examples.texts, strict=True))
    write_file(output, report_of(artifact, texts))
    show(f"{output} was written" + (", with texts of the data: keep it where they may be" if show_texts else ""))
