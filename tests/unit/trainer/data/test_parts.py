"""Parts that the user gives, and the parts that a model folder keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import ArtifactError, InputDataError
from shared.model_folder.artifact import open_artifact, read_manifest, seal
from tests.support.tiny import tiny_model
from trainer.data.examples import Examples
from trainer.data.parts import PARTS, read_parts, rows_of_parts, write_parts
from trainer.data.readers import ColumnNames, checked_examples, read_examples
from trainer.data.sample import draw_sample
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from pathlib import Path

    from shared.model_folder.artifact import Artifact

LABELS = ("negative", "neutral", "positive")


def made(rows: int, start: int = 0, labels: tuple[str, ...] = LABELS, **more: Any) -> Examples:
    """Rows of which no two are near-duplicates; `start` makes other ones."""
    numbers = range(start, start + rows)
    texts = tuple(f"a{number} b{number} c{number} d{number}" for number in numbers)
    gold = np.array([number % len(labels) for number in numbers])
    return Examples(texts, gold, labels, tuple(f"id-{number}" for number in numbers), "made up", **more)


def drawn(examples: Examples, files: dict[str, Examples] | None = None, **options: Any) -> Any:
    """The sample of these rows."""
    return draw_sample(examples, TrainerSettings(**options), files or {})


def test_given_parts_are_used_as_they_are_and_the_others_cut() -> None:
    """Row by row and in their order, duplicates included; what is not given comes from the training rows."""
    test = made(30, 1_000)
    test = test.take(np.array([*range(29, -1, -1), 3]))
    found = drawn(made(300), {"test": test})
    assert found.splits.test.ids == test.ids
    assert len(found.splits.validation) == round(300 * 0.08)
    assert len(found.splits.train) + len(found.splits.validation) + len(found.splits.calibration) == 300
    assert found.notes == ()


@pytest.mark.parametrize("keep", [False, True])
def test_training_rows_that_are_in_a_given_part_are_left_out_and_counted(keep: bool) -> None:
    """Equal texts and near-duplicates; --keep-overlaps keeps them and says what that means."""
    pool = made(300)
    words = [f"word{number}" for number in range(10)]
    texts = list(pool.texts)
    texts[7] = " ".join(words)
    pool = replace(pool, texts=tuple(texts))
    test = made(30, 1_000)
    others = (texts[5].upper(), " ".join([*words, "more"]), *test.texts[2:])
    test = replace(test, texts=others)

    found = drawn(pool, {"test": test}, keep_overlaps=keep)

    held = {*found.splits.train.ids, *found.splits.validation.ids, *found.splits.calibration.ids}
    assert ({"id-5", "id-7"} <= held) is keep
    assert found.splits.test.texts == others
    assert found.left_out["training rows that are in a given part too"] == (0 if keep else 2)
    (note,) = found.notes
    assert note.startswith("2 training rows are in a given part too (1 with the same text, 1 nearly); they are ")
    assert ("too good" in note) is keep


def test_a_split_column_gives_parts_by_their_usual_names() -> None:
    """Without regard to case; a row without a part is left out and counted; a missing part is cut."""
    names = ["Train", "training", "DEV", "val", "validation", "test", None, "train"] * 40
    columns: dict[str, list[Any]] = {
        "text": list(made(320).texts),
        "label": [LABELS[row % 3] for row in range(320)],
        "fold": names,
    }
    examples = checked_examples(columns, ColumnNames(part="fold"), where="d.csv", source="d")
    assert examples.report.left_out == {"without a part in the split column": 40}
    splits = drawn(examples).splits
    assert (len(splits.validation), len(splits.test)) == (120, 40)
    assert len(splits.train) + len(splits.calibration) == 120
    assert set(splits.train.ids) <= {f"d-{row + 1}" for row, name in enumerate(names) if name and "rain" in name}


def test_faults_of_given_parts_are_one_clear_line() -> None:
    """A value that names no part, a part given twice, a label that no training row has, nothing to train on."""
    columns = {"text": ["a", "b"], "label": ["x", "y"], "fold": ["train", "secret text"]}
    with pytest.raises(InputDataError, match=r"split column of 1 rows \(such as 2\) names no part") as caught:
        checked_examples(columns, ColumnNames(part="fold"), where="d.csv", source="d")
    assert "secret" not in str(caught.value)
    both = made(60, parts=("train", "test") * 30)
    with pytest.raises(InputDataError, match="the test part is given twice"):
        drawn(both, {"test": made(9, 500)})
    with pytest.raises(InputDataError, match="names no training row"):
        drawn(made(60, parts=("test",) * 60))
    with pytest.raises(InputDataError, match="the training data does not know the label 'mixed'"):
        drawn(made(300), {"test": made(30, 500, (*LABELS, "mixed"))})
    with pytest.raises(InputDataError, match="every training row is in a given part too"):
        drawn(made(60), {"test": made(60)})


def test_a_label_that_a_given_part_lacks_is_said() -> None:
    """Its figures have no recall of it; a part that is cut must have every label."""
    test = made(30, 1_000).take(np.array([row for row in range(30) if (1_000 + row) % 3 != 1]))
    assert drawn(made(300), {"test": test}).notes == ("The given test part has no row of the label 'neutral'.",)


@pytest.mark.parametrize("rows", [16, 60, 200])
def test_a_rare_label_is_in_every_part_if_it_has_a_row_for_each(rows: int) -> None:
    """Four rows of one label are enough, however small the parts are."""
    examples = made(rows, labels=("a", "b"))
    rare = replace(examples, labels=np.array([1] * 4 + [0] * (rows - 4)))
    splits = drawn(rare, validation_fraction=0.2, calibration_fraction=0.2, test_fraction=0.2).splits
    assert all(getattr(splits, name).counts()["b"] >= 1 for name in PARTS)


@settings(deadline=None)
@given(st.lists(st.integers(0, 6), min_size=80, max_size=80))
def test_of_rows_with_one_time_the_later_ones_are_newer(days: list[int]) -> None:
    """For rows in the order of time, whatever the ties: every part lies behind the one before it."""
    times = np.array(sorted(days), dtype=np.int64)
    examples = made(80, labels=("a", "b"), created_at=times)
    if not np.ptp(times):
        found = drawn(examples)
        assert found.splits.order == "random"
        assert found.notes == ("All rows have the same time: the split is at random.",)
        with pytest.raises(InputDataError, match="all rows have the same time"):
            drawn(examples, split="time")
        return
    found = drawn(examples)
    order = [int(key.removeprefix("id-")) for name in PARTS for key in sorted_ids(getattr(found.splits, name))]
    assert order == list(range(80))
    ends = np.cumsum([len(getattr(found.splits, name)) for name in PARTS])[:-1]
    assert (found.splits.border_ties > 0) == any(times[end - 1] == times[end] for end in ends)
    assert bool(found.notes) == (found.splits.border_ties > 0)


def sorted_ids(part: Examples) -> list[str]:
    """By number."""
    return sorted(part.ids, key=lambda key: int(key.removeprefix("id-")))


IDS = st.sampled_from(["1", "1#2", "2", "\ud83d", None])


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(IDS, min_size=40, max_size=40))
def test_the_parts_of_a_folder_are_found_again_in_its_data(model: Path, ids: list[str | None]) -> None:
    """Whatever the ids, repeated or missing; for a folder that is sealed with them."""
    columns: dict[str, list[Any]] = {
        "text": list(made(40).texts),
        "label": [LABELS[row % 2] for row in range(40)],
        "id": ids,
    }
    examples = checked_examples(columns, ColumnNames(), where="d.csv", source="d")
    assert len(set(examples.ids)) == 40
    splits = drawn(examples, test_fraction=0.2, validation_fraction=0.2, calibration_fraction=0.2).splits
    artifact = sealed(model, splits)
    assert read_parts(artifact) == {name: getattr(splits, name).ids for name in PARTS}
    for name, part in rows_of_parts(artifact, examples, {}).items():
        assert part.texts == getattr(splits, name).texts
        assert part.label_names == artifact.manifest.labels


def sealed(folder: Path, splits: Any) -> Artifact:
    """The folder with these parts."""
    write_parts(folder, splits)
    return seal(folder, read_manifest(folder))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder."""
    return tiny_model(tmp_path_factory.mktemp("parts") / "model")


def test_data_that_changed_since_are_refused(model: Path) -> None:
    """A row that is gone, another label, a folder that was not trained here; a given part comes from its file."""
    examples, own = made(300), made(30, 1_000)
    before = open_artifact(model).version
    artifact = sealed(model, drawn(examples, {"test": own}).splits)
    assert artifact.version == before
    with pytest.raises(InputDataError, match=r"30 of the 30 test rows .* --test FILE if it had one"):
        rows_of_parts(artifact, examples, {})
    assert rows_of_parts(artifact, examples, {"test": own})["test"].ids == own.ids
    with pytest.raises(InputDataError, match="rows of the model are not in these data"):
        rows_of_parts(artifact, examples.take(np.arange(200)), {"test": own})
    turned = replace(examples, labels=(examples.labels + 1) % 3)
    with pytest.raises(InputDataError, match="a text or a label of the train rows has changed"):
        rows_of_parts(artifact, turned, {"test": own})
    (model / "parts.json").write_text("{}", encoding="ascii")
    with pytest.raises(ArtifactError, match=r"parts\.json was not written by this version"):
        read_parts(seal(model, read_manifest(model)))
    (model / "parts.json").unlink()
    with pytest.raises(ArtifactError, match="only a model that was trained here knows its parts"):
        read_parts(seal(model, read_manifest(model)))


def test_a_label_that_is_joined_by_an_id_of_two_texts_is_refused(tmp_path: Path) -> None:
    """It fits one of them only; without a join both rows are used, and counted."""
    (tmp_path / "d.csv").write_text("id,text,label\n1,I love it,good\n1,I hate it,bad\n2,fine,good\n")
    (tmp_path / "l.csv").write_text("id,label\n1,good\n2,bad\n")
    with pytest.raises(InputDataError, match=r"1 rows \(such as 2\) have the id of an earlier row"):
        read_examples(tmp_path / "d.csv", labels=tmp_path / "l.csv")
    found = read_examples(tmp_path / "d.csv")
    assert found.ids == ("1", "1#2", "2")
    assert found.report.repeated_ids == 1


def test_labels_that_follow_one_another_in_time_are_split_at_random() -> None:
    """As in a file of each label: a split by time would leave parts without one. Asked for, it is an error."""
    examples = made(200, labels=("a", "b"), created_at=np.arange(200))
    examples = replace(examples, labels=np.repeat([0, 1], 100))
    found = drawn(examples)
    assert found.splits.order == "random"
    assert found.notes == (
        "By time the validation part would have no row of the label 'a': the split is at random.",
    )
    with pytest.raises(InputDataError, match="or use --split random"):
        drawn(examples, split="time")
