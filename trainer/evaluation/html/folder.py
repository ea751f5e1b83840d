"""The report from a sealed model folder, and as a file elsewhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from shared.errors import SettingsError
from trainer.evaluation.diagnostics.stored import read_diagnostics
from trainer.evaluation.html.facts import Facts
from trainer.evaluation.html.report import report_page
from trainer.evaluation.report import METRICS, read_report

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from shared.model_folder.artifact import Artifact


def report_of(artifact: Artifact, texts: Mapping[str, str] | None = None) -> str:
    """The page; `texts` by row id are shown with the errors. Raises ArtifactError if a file is not valid."""
    facts = Facts(
        manifest=artifact.manifest,
        version=artifact.version,
        report=read_report(artifact),
        metrics=json.loads(artifact.read(METRICS)) if METRICS in artifact.manifest.files else {},
        diagnostics=read_diagnostics(artifact),
        texts=texts,
    )
    return report_page(facts)


def check_report_path(output: Path, model: Path) -> None:
    """Raises SettingsError for a file that is in the model folder, where it would break the seal."""
    if output.is_dir():
        raise SettingsError(f"--output {output} is a folder; give a file such as report.html")
    if model.resolve() in output.resolve().parents:
        raise SettingsError(f"--output {output} is in the model folder; give a file elsewhere, or leave it out")


def write_file(output: Path, content: str) -> None:
    """Writes a file atomically; raises SettingsError if it cannot."""
    partial = output.with_name(f".{output.name}.partial")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(content, encoding="utf-8")
        partial.replace(output)
    except OSError as error:
        raise SettingsError(f"cannot write {output}: {error.strerror}") from None
