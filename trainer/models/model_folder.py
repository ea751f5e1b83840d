"""Writes a model folder, verifies that it answers like the model in memory, and moves it to its path.

The folder is written next to its final path and then renamed, so nobody can open an incomplete one.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog
import torch

from shared.errors import ArtifactError, SettingsError
from shared.inference.engines.torch.loading import load_model
from shared.model_folder.artifact import MANIFEST, Artifact, open_artifact, read_manifest, seal
from trainer.evaluation.diagnostics.stored import DIAGNOSTICS
from trainer.evaluation.html.folder import INSPECTION, report_of
from trainer.evaluation.html.report import REPORT
from trainer.evaluation.model_card import CARD, card
from trainer.evaluation.report import METRICS, Report, headline
from trainer.models.transformer.predict import score

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from shared.model_folder.manifest import Manifest
    from trainer.data.quality.findings import DataQuality
    from trainer.evaluation.diagnostics.stored import Diagnostics
    from trainer.models.transformer.encoding import Encoded

log = structlog.get_logger()


def check_output(output: Path, *, overwrite: bool) -> None:
    """Raises SettingsError if writing to `output` would lose files. Call before training."""
    if output.exists() and not output.is_dir():
        raise SettingsError(f"--output {output} is a file; give a folder for the model")
    if not output.exists() or not any(output.iterdir()):
        return
    if not (output / MANIFEST).is_file():
        raise SettingsError(f"--output {output} holds files that are not a model; give a new or empty folder")
    if not overwrite:
        raise SettingsError(f"--output {output} holds a model; add --overwrite to replace it, or choose another")
    if strangers := _strangers(output):
        raise SettingsError(
            f"--output {output} has files that are not of its model and would be lost: {', '.join(strangers[:5])}"
            f"{' and more' if strangers[5:] else ''}; move it elsewhere, or choose another folder"
        )


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """Yields a new folder next to `output`, which replaces it if the block succeeds and is deleted otherwise.

    Only the files of the older model are deleted; other files that were put there meanwhile are kept in another
    folder next to it, and logged. If the process ends between the two renames, the old folder has its temporary
    name; `recover` renames it back.
    """
    output = output.absolute()
    fresh, old = _sibling(output, "new"), _sibling(output, "old")
    recover(output)
    shutil.rmtree(fresh, ignore_errors=True)  # nobody but us writes there
    _delete_model(old)
    fresh.mkdir(parents=True)
    try:
        yield fresh
        if output.exists():
            output.rename(old)
        fresh.rename(output)
    finally:
        recover(output)
        shutil.rmtree(fresh, ignore_errors=True)
        _delete_model(old)


def _delete_model(folder: Path) -> None:
    """Deletes the files of a model; if other files are left, the folder is kept under an unused name."""
    if not folder.exists():
        return
    strangers = set(_strangers(folder))
    for path in sorted(folder.rglob("*"), reverse=True):  # the content of a folder before the folder
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):  # not empty
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in strangers:
            path.unlink()
    if not strangers:
        folder.rmdir()
        return
    kept = next(free for number in count(1) if not (free := folder.with_suffix(f".kept-{number}")).exists())
    folder.rename(kept)
    log.warning("kept_what_was_no_part_of_the_model", folder=str(kept), files=sorted(strangers))


def _strangers(folder: Path) -> list[str]:
    """Files in a folder that do not belong to its model; raises ArtifactError if the manifest cannot be read."""
    own = {MANIFEST, f"{MANIFEST}.partial", *read_manifest(folder).files}
    paths = (path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir())
    return [name for path in paths if (name := path.relative_to(folder).as_posix()) not in own]


def recover(output: Path) -> None:
    """Renames a folder back that `replacing` had renamed, if no other folder has replaced it."""
    old = _sibling(output, "old")
    if old.exists() and not output.exists():
        old.rename(output)


def _sibling(output: Path, state: str) -> Path:
    return output.with_name(f".{output.name}.{state}")


def save_model(folder: Path, model: Any, tokenizer: Any, max_tokens: int) -> None:
    """Writes the model, in fp32, and the tokenizer; leaves the model on the CPU."""
    # In the names of today, which the engines know: by default transformers writes those that it has read, such as
    # LayerNorm.gamma of bert-base-uncased.
    model.cpu().float().save_pretrained(folder, save_original_format=False)
    # For plain transformers; the consumer reads the manifest.
    tokenizer.model_max_length = max_tokens
    # `Tokeniser` has set a truncation since the base was loaded. It reads the side from tokenizer.json.
    tokenizer.backend_tokenizer.no_truncation()
    if tokenizer.truncation_side == "left":
        tokenizer.backend_tokenizer.enable_truncation(max_tokens, direction="left")
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.save_pretrained(folder)
    for weights in folder.glob("*.safetensors"):  # written for the owner only, whatever the umask
        weights.chmod((folder / "config.json").stat().st_mode)


def verify_saved(artifact: Artifact, model: Any, probe: Encoded) -> None:
    """Raises ArtifactError unless the saved model has the weights of `model`, and its logits for `probe`.

    Elsewhere reloaded models predicted differently (simpletransformers #813). Both are compared bit by bit: both
    models are in fp32 on one CPU, with weights at addresses that torch treats alike.
    """
    loaded = load_model(artifact)
    weights, found = model.state_dict(), loaded.state_dict()
    same = weights.keys() == found.keys() and all(torch.equal(weights[name], found[name]) for name in weights)
    ours, theirs = (score(one, probe.tokens, probe.pad_id) for one in (model, loaded))
    if not same or not np.array_equal(ours, theirs):
        raise ArtifactError(
            f"{artifact.path}: the saved model gives other answers than the trained one; please report this"
        )


def publish(
    folder: Path,
    manifest: Manifest,
    report: Report,
    diagnostics: Diagnostics | None = None,
    quality: DataQuality | None = None,
) -> Artifact:
    """Writes metrics, card and HTML report and seals the folder; none changes the version that they name.

    Other files keep their digests from `manifest`, if it has them: raises ArtifactError if one was altered since.
    Diagnostics and a data report that are not given are kept as well.
    """
    content = {}
    if diagnostics:
        content[DIAGNOSTICS] = diagnostics.model_dump_json(indent=2) + "\n"
    if quality:
        content[INSPECTION] = quality.as_json()
    written = {METRICS, CARD, REPORT, *content}
    kept = {name: digest for name, digest in manifest.files.items() if name not in written}
    described = manifest.model_copy(update={"metrics": headline(report)})
    _replace(folder / METRICS, report.model_dump_json(indent=2) + "\n")
    for name, text in content.items():
        _replace(folder / name, text)
    # Card and report name the version, which exists only once the rest is sealed.
    artifact = seal(folder, described, kept)
    _replace(folder / CARD, card(described, report, artifact.version))
    _replace(folder / REPORT, report_of(artifact))
    return seal(folder, described, kept)


def rebuild_report(folder: Path, added: Mapping[str, str]) -> Artifact:
    """Writes the HTML report of a model folder anew, from its other files, and seals the folder.

    `added` has the content of files by name that are put into the folder before. The version does not change.
    """
    artifact = open_artifact(folder)
    kept = {name: digest for name, digest in artifact.manifest.files.items() if name not in {REPORT, *added}}
    for name, content in added.items():
        _replace(folder / name, content)
    if added:
        artifact = seal(folder, artifact.manifest, kept)
    _replace(folder / REPORT, report_of(artifact))
    return seal(folder, artifact.manifest, kept)


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
