"""Data sets that `fetch` can name: one module per data set, and the table that maps their names to loaders."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from shared.errors import InputDataError
from trainer.data.datasets.vader_tweets import VADER_TWEETS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainer.data.datasets.loader import DatasetLoader

NAMED: Final[Mapping[str, DatasetLoader]] = MappingProxyType({one.name: one for one in (VADER_TWEETS,)})


def find_dataset(name: str) -> DatasetLoader:
    """The loader of a name; nothing is fetched yet. Raises InputDataError."""
    if name not in NAMED:
        known = ", ".join(f"{one.name} ({one.about})" for one in NAMED.values())
        raise InputDataError(f"unknown data set {name!r}; known are: {known}")
    return NAMED[name]
