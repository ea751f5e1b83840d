"""The option `--augment`: which transforms make copies of which share of the training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

TRANSFORMS: Final = {"typos": "typos", "word-dropout": "word_dropout", "synonyms": "synonyms"}
"""Each is a module of this package, which has a function `change`."""


def parse_augment(specs: Sequence[str]) -> dict[str, float]:
    """The share of the training rows that each transform copies, of NAME=SHARE; raises SettingsError."""
    shares: dict[str, float] = {}
    for spec in specs:
        name, _, number = spec.partition("=")
        try:
            share = float(number)
        except ValueError:
            share = float("nan")
        if name not in TRANSFORMS or not 0 < share <= 1:  # also refuses NaN
            raise SettingsError(
                f"--augment {spec}: write NAME=SHARE with a share of the training rows above 0 and up to 1; the "
                f"names are {', '.join(TRANSFORMS)}"
            )
        if name in shares:
            raise SettingsError(f"--augment gives {name} twice")
        shares[name] = share
    return shares
