"""The files of an ensemble: the sealed folders of its members, and what joins their probabilities."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

import numpy as np
from pydantic import BaseModel, Field, ValidationError, model_validator

from shared.errors import ArtifactError
from shared.model_folder.artifact import CONFIG, MEMBERS, open_artifact

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shared.model_folder.artifact import Artifact
    from trainer.data.examples import IntArray
    from trainer.models.transformer.predict import FloatArray

MAX_MEMBERS: Final = 50
"""All are in memory at once when the ensemble scores."""
_FLOOR: Final = float(np.finfo(np.float32).smallest_subnormal)
"""Of a probability: engines round smaller ones to 0, whose logarithm is infinite."""


class Member(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """One model of an ensemble; its folder is that of its place, from 1."""

    name: str
    version: str
    weight: Annotated[float, Field(gt=0, le=1)]


class Config(BaseModel, frozen=True, extra="forbid"):
    """Content of config.json."""

    model_type: Literal["ensemble"] = "ensemble"
    id2label: dict[int, str]
    members: tuple[Member, ...] = Field(min_length=2, max_length=MAX_MEMBERS)

    @model_validator(mode="after")
    def _weights_are_shares(self) -> Config:
        if abs(sum(member.weight for member in self.members) - 1) > 1e-6:  # noqa: PLR2004 - rounding
            raise ValueError("the weights of the members must sum to 1")
        return self


@dataclass(frozen=True, slots=True)
class Ensemble:
    """The checked members of an ensemble, and their weights."""

    members: tuple[Artifact, ...]
    weights: FloatArray
    """`[members]`; they sum to 1."""
    columns: IntArray
    """`[members, labels]`, the place in the member of each label of the ensemble."""

    def logits(self, probabilities: Sequence[FloatArray]) -> FloatArray:
        """`[rows, labels]` before calibration: the logarithms of the weighted mean of calibrated probabilities.

        `probabilities` has `[rows, labels]` of each member, in its own order of labels.
        """
        return np.log(np.maximum(np.tensordot(self.weights, self.aligned(probabilities), 1), _FLOOR))

    def aligned(self, probabilities: Sequence[FloatArray]) -> FloatArray:
        """`[members, rows, labels]` in the order of labels of the ensemble."""
        return np.stack([own[:, order] for own, order in zip(probabilities, self.columns, strict=True)])


def copy_members(folder: Path, members: Sequence[Path]) -> list[Artifact]:
    """Copies sealed folders into that of a new ensemble, and checks the copies; raises ArtifactError."""
    copies = []
    for number, member in enumerate(members, 1):
        copy = _place(folder, number)
        shutil.copytree(member, copy)
        copies.append(open_artifact(copy))
    return copies


def write_config(folder: Path, labels: Sequence[str], members: Sequence[Artifact], weights: FloatArray) -> None:
    """Writes config.json; the caller seals the folder."""
    config = Config(
        id2label=dict(enumerate(labels)),
        members=tuple(
            Member(name=one.manifest.name, version=one.version, weight=weight)
            for one, weight in zip(members, weights.tolist(), strict=True)
        ),
    )
    (folder / CONFIG).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load_ensemble(artifact: Artifact) -> Ensemble:
    """Opens the members of a checked folder; raises ArtifactError for one of another version or other labels."""
    try:
        config = Config.model_validate(artifact.config())
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise _unfit(artifact, f"its config.json: {first['msg']}") from None
    members = tuple(open_artifact(_place(artifact.path, number)) for number in range(1, len(config.members) + 1))
    for number, (found, sealed) in enumerate(zip(members, config.members, strict=True), 1):
        if found.version != sealed.version:
            raise _unfit(
                artifact, f"member {number} has the version {found.version}, and {sealed.version} was sealed"
            )
        if sorted(found.manifest.labels) != sorted(artifact.manifest.labels):
            raise _unfit(artifact, f"member {number} has other labels")
    return ensemble_of(members, np.array([one.weight for one in config.members]), artifact.manifest.labels)


def ensemble_of(members: Sequence[Artifact], weights: FloatArray, labels: Sequence[str]) -> Ensemble:
    """An ensemble of open folders that all have these labels, in any order."""
    columns = np.array([[one.manifest.labels.index(label) for label in labels] for one in members])
    return Ensemble(tuple(members), weights, columns)


def _place(folder: Path, number: int) -> Path:
    return folder / MEMBERS / str(number)


def _unfit(artifact: Artifact, why: str) -> ArtifactError:
    return ArtifactError(f"{artifact.path} cannot be loaded as an ensemble ({why}); make the ensemble again")
