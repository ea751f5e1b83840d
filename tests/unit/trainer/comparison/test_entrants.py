"""What `--models` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from shared.errors import InputDataError, SettingsError
from trainer.comparison.answers import Answers, Facts, claim, read, write
from trainer.comparison.entrants import MAX_MODELS, entrants
from trainer.models.baselines.vader import Vader

if TYPE_CHECKING:
    from pathlib import Path


def test_names_are_baselines_the_reference_folders_and_bases(tmp_path: Path) -> None:
    """A folder with a manifest is a model; keys are plain and no two are equal."""
    for name in ("a", "b"):
        (tmp_path / name / "my model").mkdir(parents=True)
        (tmp_path / name / "my model" / "sentiment.json").touch()
    found = entrants(f"nb, vader,minilm,{tmp_path}/a/my model,{tmp_path}/b/my model,org/base")
    assert [one.kind for one in found] == ["baseline", "reference", "base", "folder", "folder", "base"]
    assert [one.key for one in found] == ["nb", "vader", "minilm", "my-model", "my-model-2", "base"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (" , ", "give 1 to 50 names"),
        (",".join(f"m{number}" for number in range(MAX_MODELS + 1)), "give 1 to 50 names"),
        ("nb,svm,nb", "nb is given twice"),
    ],
)
def test_other_lists_are_refused(spec: str, expected: str) -> None:
    """Before anything is read."""
    with pytest.raises(SettingsError, match=expected):
        entrants(spec)


def test_answers_come_back_and_those_of_other_data_are_refused(tmp_path: Path) -> None:
    """A folder belongs to one identity; answers without their facts are not finished."""
    facts = Facts(name="nb", version=None, engine="e", texts_per_s=1, train_s=None, bytes_on_disk=1, seen=None)
    answers = Answers(facts, np.array([0, 2]), np.array([[0.1, 0.9], [0.8, 0.2]]).T, np.array([1, 0]))
    claim(tmp_path / "nb", "one")
    assert read(tmp_path / "nb") is None
    write(tmp_path / "nb", answers)
    claim(tmp_path / "nb", "one")
    again = read(tmp_path / "nb")
    assert again is not None
    assert again.facts == facts
    np.testing.assert_array_equal(again.probabilities, answers.probabilities)
    np.testing.assert_array_equal(again.rows, answers.rows)
    np.testing.assert_array_equal(again.labels, answers.labels)
    with pytest.raises(InputDataError, match="other data, settings or another version"):
        claim(tmp_path / "nb", "two")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    with pytest.raises(InputDataError, match="not of a comparison"):
        claim(tmp_path / "other", "one")


def test_vader_answers_by_the_rule_of_its_authors_and_only_for_polarity() -> None:
    """Up to 0.05 is neutral; without a neutral label the sign decides; other labels are refused."""
    texts = ["good", "the table", "awful, not good at all"]
    three = Vader(("positive", "neutral", "negative")).logits(texts)
    assert three.argmax(axis=1).tolist() == [0, 1, 2]
    two = Vader(("negative", "positive")).logits(texts)
    assert two.argmax(axis=1).tolist() == [1, 0, 0]
    with pytest.raises(SettingsError, match="vader knows the labels negative and positive"):
        Vader(("joy", "anger"))
