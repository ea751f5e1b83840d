"""The model folder: what the trainer seals and the consumer trusts only after checking it.

A folder is what `save_pretrained` of model and tokenizer wrote, plus `sentiment.json`, the manifest:
everything that shapes an answer, and the SHA-256 of every other file. Opening a folder reads no
weights into a model and runs no code; it decides whether that may be done.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - pydantic needs it at run time
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

from pydantic import BaseModel, Field, ValidationError, model_validator

from shared.errors import ArtifactError
from shared.text import NORMALISER_VERSION, NormaliserOptions

MANIFEST: Final = "sentiment.json"
FORMAT_VERSION: Final = 1
WEIGHTS_SUFFIX: Final = ".safetensors"
PICKLE_SUFFIXES: Final = frozenset(
    {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".h5", ".msgpack", ".py"}
)
"""Files that can carry code or that a loader might unpickle; a folder with one is refused unread."""

_PICKLE_STARTS: Final = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")
_DESCRIPTIVE: Final = frozenset({"metrics", "int8", "files", "created_at"})
"""Manifest fields that tell of a model without shaping its answers; they are not part of its version."""


class Normaliser(BaseModel, frozen=True, extra="forbid"):
    """Which `shared.text.normalise` the model was trained with."""

    version: int
    options: NormaliserOptions = NormaliserOptions()


class Base(BaseModel, frozen=True, extra="forbid"):
    """The pretrained model that was fine-tuned."""

    name: str
    revision: str = Field(description="commit of the hub, or SHA-256 of the weights for a local base")


class TrainingData(BaseModel, frozen=True, extra="forbid"):
    """What the model learnt from."""

    source: str
    rows: int = Field(ge=0)
    fingerprint: str = Field(description="SHA-256 over the texts and labels in order")


class Int8(BaseModel, frozen=True, extra="forbid"):
    """How the int8 graph under `openvino/` answers beside the same graph in fp32; only there if close enough."""

    rows: int = Field(gt=0, description="held-out rows that both graphs scored")
    calibration_rows: int = Field(gt=0, description="training rows that set the ranges of the numbers")
    agreement: float = Field(ge=0, le=1, description="share of the rows with the same label from both")
    macro_recall: float
    macro_recall_fp32: float
    ece: float = Field(description="with the temperature applied")
    ece_fp32: float
    rest: Literal["fp32", "bf16"] = Field(description="precision of what is not quantised, where it was measured")
    libraries: dict[str, str]


class Manifest(BaseModel, frozen=True, extra="forbid"):
    """All that shapes a score, what it was made from and how good it is."""

    format_version: Literal[1] = FORMAT_VERSION
    name: str = Field(min_length=1)
    labels: tuple[str, ...] = Field(min_length=2, description="in the order of the model's outputs")
    normaliser: Normaliser = Normaliser(version=NORMALISER_VERSION)
    max_tokens: int = Field(gt=2, description="special tokens included; longer texts are truncated")
    temperature: float = Field(default=1.0, gt=0, description="logits are divided by it before the softmax")
    class_priors: dict[str, float] = Field(description="share of each label in the training data")
    base: Base
    data: TrainingData
    training: dict[str, Any] = Field(default_factory=dict, description="settings that can change the result")
    libraries: dict[str, str] = Field(default_factory=dict)
    metrics: dict[str, Any] = Field(default_factory=dict)
    int8: Int8 | None = None
    created_at: datetime
    files: dict[str, str] = Field(default_factory=dict, description="SHA-256 by path, this file excepted")

    @model_validator(mode="after")
    def _priors_name_the_labels(self) -> Manifest:
        if sorted(self.class_priors) != sorted(self.labels):
            raise ValueError("class_priors must name exactly the labels")
        return self


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model folder that passed every check."""

    path: Path
    manifest: Manifest
    version: str
    """First 12 hex digits of a SHA-256 over the files and all of the manifest that shapes a score."""


def seal(folder: Path, manifest: Manifest) -> Artifact:
    """Writes the manifest with the digest of every file in the folder; last step of the trainer."""
    files = {name: _sha256(folder / name) for name in _listing(folder)}
    sealed = manifest.model_copy(update={"files": files})
    text = json.dumps(sealed.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    partial = folder / f"{MANIFEST}.partial"
    partial.write_text(text, encoding="utf-8")
    partial.replace(folder / MANIFEST)
    return open_artifact(folder)


def open_artifact(folder: Path) -> Artifact:
    """Checks a model folder; raises ArtifactError that says what is wrong and what to do.

    Refused are: no manifest or one of another format, a missing, altered or unlisted file, anything
    that could be a pickle or code, no safetensors weights, labels that differ from the model's own,
    and a normaliser of another version.
    """
    manifest = _read_manifest(folder)
    found = _listing(folder)
    _refuse_code(folder, found)
    _check_files(folder, manifest, found)
    _check_config(folder, manifest)
    if manifest.normaliser.version != NORMALISER_VERSION:
        raise ArtifactError(
            f"{folder}: the model was trained with text normaliser {manifest.normaliser.version}, this is "
            f"version {NORMALISER_VERSION}; train it again, or run the version that trained it"
        )
    return Artifact(folder, manifest, _version(manifest))


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not folder.is_dir():
        raise ArtifactError(f"{folder} is not a folder; give a model folder written by sentiment-trainer train")
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ArtifactError(
            f"{folder} has no {MANIFEST}; give a model folder written by sentiment-trainer train"
        ) from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ArtifactError(
            f"{path} is not a valid manifest ({where}: {first['msg']}); train again, or restore the folder"
        ) from None


def _listing(folder: Path) -> list[str]:
    names = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() and not path.resolve().is_file():
            raise ArtifactError(f"{path} is a link to nothing; copy the model folder with its files")
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in {MANIFEST, f"{MANIFEST}.partial"}:
            names.append(name)
    return names


def _refuse_code(folder: Path, names: list[str]) -> None:
    for name in names:
        with (folder / name).open("rb") as file:
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
            raise ArtifactError(f"{folder / name} is missing; restore the folder from its source or train again")
        if _sha256(folder / name) != digest:
            raise ArtifactError(
                f"{folder / name} was altered after training (its SHA-256 differs from {MANIFEST}); "
                "restore the folder from its source or train again"
            )
    for name in found:
        if name not in manifest.files:
            raise ArtifactError(
                f"{folder / name} is not listed in {MANIFEST}, so nobody vouches for it; remove it"
            )


def _check_config(folder: Path, manifest: Manifest) -> None:
    try:
        config = json.loads((folder / "config.json").read_bytes())
        own = tuple(config["id2label"][str(index)] for index in range(len(config["id2label"])))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{folder / 'config.json'} names no labels ({type(error).__name__}); train the model again"
        ) from None
    if own != manifest.labels:
        raise ArtifactError(
            f"{folder}: the labels of {MANIFEST} {list(manifest.labels)} differ from the model's own "
            f"{list(own)}; train the model again"
        )
    if config.get("problem_type") not in {None, "single_label_classification"}:
        raise ArtifactError(
            f"{folder}: problem_type {config['problem_type']!r} is not single-label classification"
        )


def _version(manifest: Manifest) -> str:
    shaping = manifest.model_dump(mode="json", exclude=set(_DESCRIPTIVE))
    shaping["files"] = {name: digest for name, digest in manifest.files.items() if _shapes_a_score(name)}
    return hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()[:12]


def _shapes_a_score(name: str) -> bool:
    return not name.endswith((".md", ".png", ".svg", "metrics.json"))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
