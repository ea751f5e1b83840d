"""What every kind of model of the trainer can do, so that commands need not know which one they have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.data.examples import Examples
    from trainer.models.transformer.predict import FloatArray


class Model(Protocol):
    """A classifier of texts."""

    def fit(self, train: Examples, validation: Examples) -> None:
        """Trains; `validation` may choose settings, and is never trained on. Both have the same labels."""
        ...

    def predict_proba(self, texts: Sequence[str]) -> FloatArray:
        """Probabilities `[rows, labels]`; calibrated if the model was loaded from a sealed folder."""
        ...

    def save(self, folder: Path) -> None:
        """Writes the model into an existing folder, without a pickle; the caller seals it."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model of a sealed folder, which is checked first; runs no code of it; raises ArtifactError."""
        ...
