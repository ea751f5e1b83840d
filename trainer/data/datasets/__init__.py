"""Data sets that `fetch` can name: one module per data set, and the table that maps their names to loaders."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from shared.errors import InputDataError
from trainer.data.datasets.vader_tweets import VADER_TWEETS
from trainer.data.labels.rules import NO_RULES
from trainer.data.readers import DEFAULT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainer.data.datasets.loader import DatasetLoader
    from trainer.data.labels.rules import LabelRules
    from trainer.data.readers import ColumnNames

HUB: Final = "hf:"
"""Begins the name of a data set of the Hugging Face hub."""

NAMED: Final[Mapping[str, DatasetLoader]] = MappingProxyType({one.name: one for one in (VADER_TWEETS,)})


def find_dataset(
    name: str,
    columns: ColumnNames = DEFAULT_COLUMNS,
    rules: LabelRules = NO_RULES,
    *,
    subset: str | None = None,
    split: str | None = None,
    revision: str | None = None,
) -> DatasetLoader:
    """The loader of a name; nothing is fetched yet. Raises InputDataError.

    The columns, the rules for labels, and the choice of subset, split and revision are for a data set of the hub;
    a named data set is always read whole, and refuses a choice.
    """
    if name.startswith(HUB):
        from trainer.data.datasets.hub import hub_dataset  # noqa: PLC0415 - no other data set waits for its imports

        return hub_dataset(name, columns, rules, subset=subset, split=split, revision=revision)
    if name not in NAMED:
        known = ", ".join(f"{one.name} ({one.about})" for one in NAMED.values())
        raise InputDataError(
            f"unknown data set {name!r}; known are: {known}, and every data set of the Hugging Face hub as "
            f"{HUB}OWNER/NAME"
        )
    given = {"--subset": subset, "--split": split, "--revision": revision}
    if refused := [option for option, value in given.items() if value is not None]:
        raise InputDataError(
            f"{name} takes no {', '.join(refused)}: only a data set of the hub does ({HUB}OWNER/NAME)"
        )
    return NAMED[name]
