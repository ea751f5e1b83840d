"""Every data set is found by its name, and a wrong name is answered with what there is."""

from __future__ import annotations

import pytest

from shared.errors import InputDataError
from trainer.data.datasets import NAMED, find_dataset


def test_every_named_data_set_is_found_by_its_name() -> None:
    """A loader has the name that the user types, and one line about itself."""
    assert set(NAMED) == {"vader-tweets"}
    for name in NAMED:
        found = find_dataset(name)
        assert found.name == name
        assert found.about
        assert "\n" not in found.about


def test_an_unknown_data_set_is_answered_with_the_known_ones() -> None:
    """The message lists them."""
    with pytest.raises(InputDataError, match="known are: vader-tweets"):
        find_dataset("imdb")
