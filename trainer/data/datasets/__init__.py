"""Data sets that have a name: one module per data set, and the table that maps their names to loaders."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from shared.errors import InputDataError
from trainer.data.datasets.amazon import AMAZON_FULL, AMAZON_POLARITY, AMAZON_REVIEWS
from trainer.data.datasets.imdb import IMDB
from trainer.data.datasets.published import PublishedLoader
from trainer.data.datasets.sentiment140 import SENTIMENT140
from trainer.data.datasets.sst2 import SST2
from trainer.data.datasets.tweeteval import TWEETEVAL
from trainer.data.datasets.vader_tweets import VADER_TWEETS
from trainer.data.datasets.yelp import YELP_FULL, YELP_POLARITY, YELP_REVIEWS
from trainer.data.labels.rules import NO_RULES
from trainer.data.readers import DEFAULT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from trainer.data.datasets.published import DatasetLoader, PublishedDataset
    from trainer.data.labels.rules import LabelRules
    from trainer.data.readers import ColumnNames

HUB: Final = "hf:"
"""Begins the name of a data set of the Hugging Face hub."""

PUBLISHED: Final[Mapping[str, PublishedDataset]] = MappingProxyType(
    {
        one.name: one
        for one in (
            IMDB,
            SENTIMENT140,
            TWEETEVAL,
            SST2,
            YELP_REVIEWS,
            YELP_POLARITY,
            YELP_FULL,
            AMAZON_REVIEWS,
            AMAZON_POLARITY,
            AMAZON_FULL,
        )
    }
)
NAMES: Final = (*PUBLISHED, VADER_TWEETS.name)


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user says about a data set; what is None is not said."""

    place: Path | None = None
    """The files that its authors published."""
    subset: str | None = None
    split: str | None = None
    revision: str | None = None
    keep_emoticons: bool = False


NO_CHOICE: Final = Choice()


def find_dataset(
    name: str,
    columns: ColumnNames = DEFAULT_COLUMNS,
    rules: LabelRules = NO_RULES,
    choice: Choice = NO_CHOICE,
) -> DatasetLoader:
    """The loader of a name; nothing is fetched yet. Raises InputDataError, also for a choice without effect.

    The columns are for a data set of the hub; a named one has its own.
    """
    if name.startswith(HUB):
        _refuse(name, choice, "place", "keep_emoticons")
        from trainer.data.datasets.hub.dataset import hub_dataset  # noqa: PLC0415 - imports `datasets`, which is slow

        return hub_dataset(
            name, columns, rules, subset=choice.subset, split=choice.split, revision=choice.revision
        )
    if name == VADER_TWEETS.name:
        _refuse(name, choice, "place", "subset", "split", "revision", "keep_emoticons")
        return VADER_TWEETS
    if name not in PUBLISHED:
        raise InputDataError(f"unknown data set {name!r}; {known_names()}")
    dataset = PUBLISHED[name]
    _refuse(name, choice, "subset", "split")
    if choice.place is not None or dataset.hub is None:
        _refuse(name, choice, "revision")
    if not dataset.drops_emoticons:
        _refuse(name, choice, "keep_emoticons")
    return PublishedLoader(dataset, choice.place, rules, choice.revision, choice.keep_emoticons)


def known_names() -> str:
    """What a user can name, in one sentence."""
    return f"known are {', '.join(NAMES)}, and every data set of the Hugging Face hub as {HUB}OWNER/NAME"


_OPTIONS: Final = {"place": "--from", "keep_emoticons": "--keep-emoticons"}


def _refuse(name: str, choice: Choice, *fields: str) -> None:
    given = [_OPTIONS.get(field, f"--{field}") for field in fields if getattr(choice, field)]
    if given:
        raise InputDataError(f"{name} takes no {', '.join(given)}: it would have no effect; leave it out")
