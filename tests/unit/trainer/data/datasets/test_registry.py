"""Every data set is found by its name, and a wrong name or option is answered with what there is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shared.errors import InputDataError
from trainer.data.datasets import NAMES, Choice, find_dataset


def test_every_named_data_set_is_found_by_its_name() -> None:
    """A loader has the name that the user types, and one line about itself."""
    for name in NAMES:
        found = find_dataset(name)
        assert found.name == name
        assert found.about
        assert "\n" not in found.about


def test_a_name_of_the_hub_is_found_without_asking_the_hub() -> None:
    """The loader is made; only loading needs the hub."""
    found = find_dataset("hf:owner/name", choice=Choice(subset="en", split="test", revision="v1"))
    assert (found.name, found.about) == ("hf:owner/name", "a data set of the Hugging Face hub")


def test_an_unknown_data_set_is_answered_with_the_known_ones() -> None:
    """The message lists them, and how to name a data set of the hub."""
    with pytest.raises(InputDataError, match=r"known are imdb, .*, vader-tweets, and .* as hf:OWNER/NAME"):
        find_dataset("no-such-set")


@pytest.mark.parametrize(
    ("name", "choice", "says"),
    [
        ("vader-tweets", Choice(split="test", revision="main"), "vader-tweets takes no --split, --revision:"),
        ("imdb", Choice(subset="en"), "imdb takes no --subset:"),
        ("imdb", Choice(keep_emoticons=True), "imdb takes no --keep-emoticons:"),
        ("imdb", Choice(place=Path(), revision="main"), "imdb takes no --revision:"),
        ("yelp-reviews", Choice(revision="main"), "yelp-reviews takes no --revision:"),
        ("hf:owner/name", Choice(place=Path()), "hf:owner/name takes no --from:"),
    ],
)
def test_a_choice_without_effect_is_refused(name: str, choice: Choice, says: str) -> None:
    """The message names those that were given."""
    with pytest.raises(InputDataError, match=says):
        find_dataset(name, choice=choice)


def test_a_set_that_is_on_no_hub_says_what_to_download(tmp_path: Path) -> None:
    """Its authors ask for consent, so nothing here can fetch it."""
    with pytest.raises(
        InputDataError, match=r"fetch yelp-reviews --from PATH .* yelp_academic_dataset_review\.json"
    ):
        find_dataset("yelp-reviews").load(tmp_path)


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
