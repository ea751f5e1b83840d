"""The content of diagnostics.json. It has ids of rows and no texts, and is bounded however many rows there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ValidationError

from shared.errors import ArtifactError

if TYPE_CHECKING:
    from shared.model_folder.artifact import Artifact

DIAGNOSTICS: Final = "diagnostics.json"

Points = list[tuple[float, float]]
Property = Literal["length", "script", "source", "time"]


class Bin(BaseModel, frozen=True):
    """The rows of one bin of a reliability diagram; a bin without rows is left out."""

    low: float
    high: float
    rows: int
    predicted: float
    """Mean probability."""
    observed: float
    """Share of the rows for which it was true."""


class LabelCurves(BaseModel, frozen=True):
    """One label against the others; an area is None if all rows, or none, have the label."""

    rows: int
    roc: Points
    """False positive rate, true positive rate."""
    precision_recall: Points
    """Recall, precision."""
    average_precision: float | None
    reliability: list[Bin]
    """Of the calibrated probability of this label."""


class Slice(BaseModel, frozen=True):
    """The rows that have one property in common."""

    property: Property
    name: str
    rows: int
    right: int
    interval: tuple[float, float]
    """95 % Wilson interval of the accuracy."""
    confidence: float
    """Mean calibrated probability of the predicted label."""


class Case(BaseModel, frozen=True):
    """A row whose predicted label is not the one it was given."""

    id: str
    given: str
    predicted: str
    given_probability: float
    predicted_probability: float


class Diagnostics(BaseModel, frozen=True):
    """Of the test rows that have a score."""

    command: str | None = None
    """The command line of the training."""
    machine: dict[str, str] = {}
    rows: int
    uncalibrated: list[Bin]
    calibrated: list[Bin]
    labels: dict[str, LabelCurves]
    slices: list[Slice]
    errors: int
    worst: list[Case]
    """The most confident errors."""
    suspects: int
    suspected: list[Case]
    """Candidates for a wrong label, the likeliest first."""


def plain_id(text: str) -> str:
    """A row id as JSON in UTF-8 can hold it: without lone surrogates."""
    return text.encode("utf-8", "replace").decode()


def read_diagnostics(artifact: Artifact) -> Diagnostics | None:
    """The diagnostics of a model folder, None if it has none; raises ArtifactError if they are not valid."""
    if DIAGNOSTICS not in artifact.manifest.files:
        return None
    try:
        return Diagnostics.model_validate_json(artifact.read(DIAGNOSTICS))
    except ValidationError:
        raise ArtifactError(
            f"{artifact.path / DIAGNOSTICS} was not written by this version; train the model again"
        ) from None
