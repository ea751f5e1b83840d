"""Every data set is found by its name, and a wrong name or option is answered with what there is."""

from __future__ import annotations

import subprocess
import sys

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


def test_a_name_of_the_hub_is_found_without_asking_the_hub() -> None:
    """The loader is made; only loading needs the hub."""
    found = find_dataset("hf:owner/name", subset="en", split="test", revision="v1")
    assert (found.name, found.about) == ("hf:owner/name", "a data set of the Hugging Face hub")


def test_an_unknown_data_set_is_answered_with_the_known_ones() -> None:
    """The message lists them, and how to name a data set of the hub."""
    with pytest.raises(InputDataError, match=r"known are: vader-tweets \(4,200 tweets .* as hf:OWNER/NAME"):
        find_dataset("imdb")


def test_options_of_the_hub_are_refused_for_a_named_data_set() -> None:
    """They would have no effect; the message names those that were given."""
    with pytest.raises(
        InputDataError, match="vader-tweets takes no --split, --revision: only a data set of the hub"
    ):
        find_dataset("vader-tweets", split="test", revision="main")


@pytest.mark.slow
def test_help_and_named_data_sets_do_not_wait_for_the_library_of_the_hub() -> None:
    """Only a name of the hub imports `datasets`, which takes longer than all of `--help`."""
    program = (
        "import sys, trainer.__main__\n"
        "print('datasets' in sys.modules)\n"
        "from trainer.data.datasets import find_dataset\n"
        "find_dataset('vader-tweets')\n"
        "print('datasets' in sys.modules)\n"
        "find_dataset('hf:owner/name')\n"
        "print('datasets' in sys.modules, 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "True", "False"]
