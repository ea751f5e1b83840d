"""The report from a sealed model folder, and as a file elsewhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from shared.errors import InputDataError, SettingsError
from trainer.evaluation.diagnostics.stored import read_diagnostics
from trainer.evaluation.html.facts import Facts
from trainer.evaluation.html.report import report_page
from trainer.evaluation.report import METRICS, read_report

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from shared.model_folder.artifact import Artifact


COMPARISON: Final = "comparison.json"
INSPECTION: Final = "inspection.json"
ADDED: Final = (COMPARISON, INSPECTION)
"""Results of other commands that a model folder may have, for the report."""
MOST_BYTES: Final = 10_000_000
"""Of such a result: more than any list of them gives."""


def report_of(artifact: Artifact, texts: Mapping[str, str] | None = None) -> str:
    """The page; `texts` by row id are shown with the errors. Raises ArtifactError if a file is not valid."""
    facts = Facts(
        manifest=artifact.manifest,
        version=artifact.version,
        report=read_report(artifact),
        metrics=_read(artifact, METRICS) or {},
        diagnostics=read_diagnostics(artifact),
        comparison=_read(artifact, COMPARISON),
        inspection=_read(artifact, INSPECTION),
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


def without_texts(path: Path) -> str:
    """A result of `compare` or `inspect` as it may be in a model folder: JSON without the texts of rows.

    Raises InputDataError for a file that is no such result.
    """
    try:
        with path.open("rb") as file:
            tree = json.loads(file.read(MOST_BYTES + 1)[:MOST_BYTES])
    except OSError as error:
        raise InputDataError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        tree = None
    if not isinstance(tree, dict):
        raise InputDataError(f"{path} is not a result of compare or inspect: a JSON object of at most 10 MB")
    return json.dumps(_stripped(tree), indent=2, ensure_ascii=True) + "\n"


def _stripped(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _stripped(value) for name, value in tree.items() if name not in {"text", "texts"}}
    return [_stripped(one) for one in tree] if isinstance(tree, list) else tree


def _read(artifact: Artifact, name: str) -> Any:
    """The JSON of a file of the folder; None if it has none. Its digest was checked."""
    return json.loads(artifact.read(name)) if name in artifact.manifest.files else None
