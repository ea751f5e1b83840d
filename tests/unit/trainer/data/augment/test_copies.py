"""Changed copies of training rows: the same each time, of the training part only, and with their label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import SettingsError
from tests.support.tiny import write_data
from trainer.data.augment.copies import changed, made_settings, with_copies, with_made_rows
from trainer.data.augment.option import TRANSFORMS, parse_augment
from trainer.data.duplicates import spelling
from trainer.data.examples import Examples
from trainer.data.readers import read_examples
from trainer.data.sample import draw_sample
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.data.splits import Splits

TEXTS: Final = (
    "an excellent film with beautiful pictures and a clever story",
    "this was a terrible evening and the actors looked dreadful",
    "I bought it yesterday, and the handle was broken this morning",
    "the music is not beautiful, but the story is touching and funny",
)


def examples(*texts: str) -> Examples:
    """Two labels in turn."""
    return Examples(
        texts, np.arange(len(texts)) % 2, ("bad", "good"), tuple(map(str, range(len(texts)))), "made up"
    )


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Splits:
    """The parts of 300 made-up rows."""
    data = write_data(tmp_path_factory.mktemp("data") / "rows.parquet")
    return draw_sample(read_examples(data), TrainerSettings(test_rows=60)).splits


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_copy_depends_on_seed_and_text_alone(name: str) -> None:
    """So a resumed training has the same ones, whatever other rows there are."""
    alone = with_copies(examples(TEXTS[0]), {name: 1.0}, 0, []).texts[1:]
    among = with_copies(examples(*TEXTS), {name: 1.0}, 0, []).texts[4:]
    assert alone == among[:1] == (changed(TEXTS[0], name, 0),)
    assert len({changed(TEXTS[0], name, seed) for seed in range(20)}) > 1


def test_copies_have_the_label_of_their_row_and_the_share_that_was_asked_for(splits: Splits) -> None:
    """And ids that say where they are from; the rows themselves stay, in their order."""
    rows = len(splits.train)
    made = with_copies(splits.train, {"word-dropout": 0.25}, 3, [])
    assert made.take(np.arange(rows)).fingerprint() == splits.train.fingerprint()
    assert len(made) == rows + round(rows * 0.25)
    for text, label, name in zip(made.texts[rows:], made.labels[rows:], made.ids[rows:], strict=True):
        kind, row = name.rsplit("-", 1)
        assert label == splits.train.labels[int(row)]
        assert text == changed(splits.train.texts[int(row)], kind, 3)


def test_only_the_training_part_gets_copies_and_none_is_like_a_held_out_row(splits: Splits) -> None:
    """A copy that a synonym makes equal to a test row would tell the model its label."""
    held = "a terrific film with lovely pictures and a smart story"
    source = "a superb film with lovely pictures and a smart story"
    made = with_copies(examples(source), {"synonyms": 1.0}, 0, [changed(source, "synonyms", 0), held])
    assert made.texts == (source,)
    settings = TrainerSettings(augment=("typos=1", "synonyms=1"), test_rows=60)
    whole = with_made_rows(splits, settings)
    parts = {
        spelling(text) for part in (splits.validation, splits.calibration, splits.test) for text in part.texts
    }
    assert parts.isdisjoint(map(spelling, whole.texts))
    assert len(whole) > len(splits.train)


def test_a_text_that_a_transform_leaves_as_it_is_has_no_copy() -> None:
    """Nor are two copies equal."""
    assert with_copies(examples("so", ":)"), dict.fromkeys(TRANSFORMS, 1.0), 0, []).texts == ("so", ":)")


def test_without_the_option_nothing_is_made(splits: Splits) -> None:
    """The manifest is that of before, too."""
    settings = TrainerSettings()
    assert with_made_rows(splits, settings) is splits.train
    assert made_settings(settings) == {"contrast_rows": 0}


def test_the_manifest_says_what_decides_the_rows() -> None:
    """With the seed; other lists of words give other models."""
    found = made_settings(TrainerSettings(augment=("typos=0.5,synonyms=0.1",)))
    assert found["augment"] == "typos=0.5,synonyms=0.1"
    assert len(found["augment_lists"]) == 12


@given(st.sampled_from(tuple(TRANSFORMS)), st.text(max_size=80), st.integers(0, 5))
def test_any_text_can_be_changed(name: str, text: str, seed: int) -> None:
    """Without an error, always in the same way, and never to nothing."""
    found = changed(text, name, seed)
    assert found == changed(text, name, seed)
    assert bool(found) == bool(text.split())


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        (("typo=0.5",), "--augment typo=0.5: write NAME=SHARE"),
        (("typos",), "--augment typos: write NAME=SHARE"),
        (("typos=0",), "above 0 and up to 1"),
        (("typos=1.5",), "above 0 and up to 1"),
        (("typos=nan",), "above 0 and up to 1"),
        (("typos=0.5", "typos=0.1"), "gives typos twice"),
    ],
)
def test_wrong_options_are_refused(specs: tuple[str, ...], expected: str) -> None:
    """They name what there is."""
    with pytest.raises(SettingsError, match=expected):
        parse_augment(specs)


def test_the_made_rows_reach_the_training_and_its_checkpoint(tmp_path: Path, one_thread: Any) -> None:  # noqa: ARG001
    """Two preparations give the same tokens; another share is another training."""
    from tests.support.tiny import tiny_base  # noqa: PLC0415
    from trainer.models.train import Job, prepare  # noqa: PLC0415

    rows = read_examples(write_data(tmp_path / "rows.parquet"))
    options = {"base": str(tiny_base(tmp_path / "base")), "cache_dir": tmp_path, "device": "cpu", "test_rows": 60}
    ours, again, plain = (
        prepare(Job(rows, tmp_path / "out"), TrainerSettings.model_validate({**options, "augment": augment}))
        for augment in ("typos=0.5", "typos=0.5", ())
    )
    assert ours.training == again.training != plain.training
    tokens = [[row.tolist() for row in one.encoded["train"].tokens] for one in (ours, again, plain)]
    assert tokens[0] == tokens[1]
    assert tokens[0][: len(tokens[2])] == tokens[2]
    assert len(tokens[0]) > len(tokens[2])
    assert ours.encoded["validation"].size == plain.encoded["validation"].size
