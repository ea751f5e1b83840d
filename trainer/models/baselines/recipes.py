"""The baselines that `train` can fit, by name."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.linear.model import Linear
    from trainer.data.examples import IntArray

RECIPES: Final = ("nb", "logreg", "svm", "nbsvm", "vectors")
"""Each is the module of this package with its name, which has a function `fit`."""
WITH_CHARACTERS: Final = ("nb", "logreg", "svm", "nbsvm")
"""Those that can have n-grams of characters."""
CHARACTERS: Final = 5
"""Longest n-gram of characters, if there are any."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a baseline is fitted on."""

    texts: Sequence[str]
    """Normalised."""
    labels: IntArray
    """`[rows]`; every label occurs."""
    held_out: tuple[Sequence[str], IntArray] | None = None
    """Other normalised texts and their labels, which no n-gram and no machine is fitted on."""
    seed: int = 0
    characters: int = 0
    """Longest n-gram of characters; 0: none."""


def fit(name: str, task: Task) -> Linear:
    """Fits one of RECIPES; raises InputDataError for data that it cannot be fitted on."""
    # Only the one that is needed: gensim takes a second to import.
    found: Linear = import_module(f"trainer.models.baselines.{name}").fit(task)
    return found
