"""Sealing a model folder, and checking it before use.

A folder has the files that `save_pretrained` of model and tokenizer wrote, plus the manifest `sentiment.json`:
everything that affects a score, and the SHA-256 of every other file. Opening a folder loads no weights into a
model and runs no code; it decides whether that is safe. Files are then loaded with `Artifact.read`, which hashes
the same bytes that it returns.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from pydantic_core import from_json

from shared.errors import ArtifactError
from shared.model_folder import files as model_files
from shared.model_folder.manifest import Manifest
from shared.text import NORMALISER_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MANIFEST: Final = "sentiment.json"
CONFIG: Final = "config.json"
WEIGHTS_SUFFIX: Final = ".safetensors"
MEMBERS: Final = "members"
"""Folder within an ensemble that holds the sealed folders of its members."""
PICKLE_SUFFIXES: Final = frozenset(
    {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".h5", ".msgpack", ".py"}
)
"""Suffixes of files that can contain code or that a loader might unpickle; a folder with one is refused."""

# Protocols 2 to 5, and a zip file, which is what torch.save writes.
_PICKLE_STARTS: Final = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")
# `int8` has only figures; the digest of the graph is among the files, so an export changes the version.
_DESCRIPTIVE: Final = frozenset({"metrics", "int8", "reference", "files", "created_at"})
"""Manifest fields that describe a model without affecting its scores; they are not part of its version."""


_READABLE: Final = ("metrics.json", "diagnostics.json", "comparison.json", "inspection.json", "parts.json")
"""Files of figures and of row ids, which shape no score."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model folder that passed every check."""

    path: Path
    """For messages only: a file may have been replaced since the check, so nothing is loaded by its path."""
    manifest: Manifest
    version: str
    """First 12 hex digits of a SHA-256 over the files and manifest fields that affect a score."""

    def read(self, name: str) -> bytes:
        """Reads a file into memory; raises ArtifactError if its SHA-256 is not the one in the manifest."""
        with model_files.opened(self.path / name) as file:
            content = file.read()
        if hashlib.sha256(content).hexdigest() != self.manifest.files.get(name):
            raise _altered(self.path / name)
        return content

    def config(self) -> dict[str, Any]:
        """The content of config.json; raises ArtifactError if it is not a JSON object."""
        try:
            tree = from_json(self.read(CONFIG))
        except ValueError:
            tree = None
        if not isinstance(tree, dict):
            raise ArtifactError(f"{self.path / CONFIG} is not a JSON object; train the model again")
        return tree

    def weights(self) -> list[str]:
        """Names of the model's weight files, sorted, without those of an export."""
        return sorted(name for name in self.manifest.files if name.endswith(WEIGHTS_SUFFIX) and "/" not in name)


def seal(folder: Path, manifest: Manifest, sealed: Mapping[str, str] | None = None) -> Artifact:
    """Writes the manifest with the digest of every file in the folder; last step of the trainer.

    `sealed` has the digests of unchanged files from an earlier manifest. They are not computed again, so that the
    check that follows detects a file that was altered since.
    """
    known = sealed or {}
    files = {name: known.get(name) or model_files.sha256(folder / name) for name in _listing(folder)}
    text = manifest.model_copy(update={"files": files}).model_dump_json(indent=2) + "\n"
    # A manifest that is cut off would make the whole folder invalid.
    partial = folder / f"{MANIFEST}.partial"
    partial.write_text(text, encoding="utf-8")
    partial.replace(folder / MANIFEST)
    return open_artifact(folder)


def open_artifact(folder: Path) -> Artifact:
    """Checks a model folder; raises ArtifactError that says what is wrong and what to do.

    It refuses a folder with: no manifest or one of another format; a missing, altered or unlisted file; a path
    that is not a regular file; a possible pickle or code; no safetensors weights; labels that differ from
    config.json; or a normaliser of another version.
    """
    manifest = read_manifest(folder)
    found = _listing(folder)
    _refuse_code(folder, manifest, found)
    _check_files(folder, manifest, found)
    artifact = Artifact(folder, manifest, _version(manifest))
    _check_config(artifact)
    if manifest.normaliser.version != NORMALISER_VERSION:
        raise ArtifactError(
            f"{folder}: the model was trained with text normaliser {manifest.normaliser.version}, this is "
            f"version {NORMALISER_VERSION}; train it again, or run the version that trained it"
        )
    return artifact


def read_manifest(folder: Path) -> Manifest:
    """Reads the manifest without checking the files against it; raises ArtifactError."""
    path = folder / MANIFEST
    if not folder.is_dir():
        raise ArtifactError(f"{folder} is not a folder; give a model folder written by sentiment-trainer train")
    if not path.exists():
        raise ArtifactError(
            f"{folder} has no {MANIFEST}; give a model folder written by sentiment-trainer train, or seal a model "
            f"that was fine-tuned elsewhere: sentiment-trainer adopt {folder} --output NEW-FOLDER"
        )
    try:
        with model_files.opened(path) as file:
            return Manifest.model_validate_json(file.read())
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ArtifactError(
            f"{path} is not a valid manifest ({where}: {first['msg']}); train again, or restore the folder"
        ) from None


def _listing(folder: Path) -> list[str]:
    return [name for name in model_files.listing(folder) if name not in {MANIFEST, f"{MANIFEST}.partial"}]


def _refuse_code(folder: Path, manifest: Manifest, names: list[str]) -> None:
    for name in names:
        if name not in manifest.files and (folder / name).is_symlink():
            raise _unlisted(folder / name)  # not read: it may point anywhere
        with model_files.opened(folder / name) as file:
            start = file.read(4)
        if PurePosixPath(name).suffix.lower() in PICKLE_SUFFIXES or start.startswith(_PICKLE_STARTS):
            raise ArtifactError(
                f"{folder / name} may hold a pickle or code, which can run when it is loaded; only safetensors "
                "weights are read: remove the file, or save the model with safetensors and train again"
            )
    if not any(name.endswith(WEIGHTS_SUFFIX) for name in names):
        raise ArtifactError(f"{folder} holds no {WEIGHTS_SUFFIX} weights; restore the folder or train again")


def _check_files(folder: Path, manifest: Manifest, found: list[str]) -> None:
    for name, digest in manifest.files.items():
        if name not in found:
            raise model_files.missing(folder / name)
        if model_files.sha256(folder / name) != digest:
            raise _altered(folder / name)
    for name in found:
        if name not in manifest.files:
            raise _unlisted(folder / name)


def _altered(path: Path) -> ArtifactError:
    return ArtifactError(
        f"{path} was altered after training (its SHA-256 differs from {MANIFEST}); restore the folder from its "
        "source or train again; if the folder was just replaced by another model, start again"
    )


def _unlisted(path: Path) -> ArtifactError:
    return ArtifactError(f"{path} is not listed in {MANIFEST}, so its content is not verified; remove it")


def _check_config(artifact: Artifact) -> None:
    folder, labels = artifact.path, artifact.manifest.labels
    config = artifact.config()
    try:
        own = tuple(config["id2label"][str(index)] for index in range(len(config["id2label"])))
    except (KeyError, TypeError) as error:
        raise ArtifactError(
            f"{folder / CONFIG} names no labels ({type(error).__name__}); train the model again"
        ) from None
    if own != labels:
        raise ArtifactError(
            f"{folder}: the labels of {MANIFEST} {list(labels)} differ from the model's own "
            f"{list(own)}; train the model again"
        )
    # For several labels a text, the scorer's softmax would be wrong without an error.
    problem = config.get("problem_type")
    if problem is not None and problem != "single_label_classification":
        raise ArtifactError(f"{folder}: problem_type {problem!r} is not single-label classification")


def _version(manifest: Manifest) -> str:
    shaping = manifest.model_dump(mode="json", exclude=set(_DESCRIPTIVE))
    # Fields that came after 0.2.0 count only where they are set, so that an older model keeps its version.
    for name in ("calibration", "bias", "decision", "uncertain_below", "polarity", "pooling", "long_texts"):
        if shaping[name] is None:
            del shaping[name]
    if manifest.kind == "transformer":
        del shaping["kind"]
    if manifest.normaliser.options.enabled:
        del shaping["normaliser"]["options"]["enabled"]
    files = {name: digest for name, digest in manifest.files.items() if _shapes_a_score(name)}
    if manifest.kind == "ensemble":  # its config.json has the versions of the members, which are checked with it
        files = {name: digest for name, digest in files.items() if not name.startswith(f"{MEMBERS}/")}
    shaping["files"] = files
    return hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()[:12]


def _shapes_a_score(name: str) -> bool:
    # Evaluating a model again writes its card and figures, and must not make it another model (decision 3).
    return not name.endswith((".md", ".png", ".svg", ".html", *_READABLE))
