"""`--data` is a path if it exists, else the name of a data set, else an error that says what there is."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from structlog.testing import capture_logs

from shared.errors import InputDataError
from tests.unit.trainer.data.datasets import world
from trainer.data.datasets import Choice, find_dataset
from trainer.data.datasets.named import read_data, read_part
from trainer.data.examples import write_examples
from trainer.settings import TrainerSettings


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_path_that_exists_is_read_as_files(tmp_path: Path) -> None:
    """Also where it has the name of a data set, which a warning says."""
    (tmp_path / "imdb").mkdir()
    (tmp_path / "imdb" / "rows.csv").write_text(
        "text,label\nso good,positive\nso bad,negative\n", encoding="utf-8"
    )
    with capture_logs() as lines:
        found = read_data(Path("imdb"), TrainerSettings(cache_dir=tmp_path))
    assert found.texts == ("so good", "so bad")
    assert [line["data"] for line in lines if line["event"] == "read_as_files"] == ["imdb"]


def test_a_name_that_is_no_path_is_a_data_set(tmp_path: Path) -> None:
    """A folder in the hub's layout needs no network."""
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "train.csv").write_text("text,label\nso good,positive\nbad,negative\n", encoding="utf-8")
    found = read_data(Path("hf:./copy"), TrainerSettings(cache_dir=tmp_path / "cache"))
    assert found.source == "copy/train"
    with pytest.raises(InputDataError, match="leave out --labels"):
        read_data(Path("hf:./copy"), TrainerSettings(cache_dir=tmp_path), tmp_path / "labels.csv")


def test_what_is_neither_is_an_error_with_the_names(tmp_path: Path) -> None:
    """A file name with a suffix is a path that does not exist."""
    settings = TrainerSettings(cache_dir=tmp_path)
    with pytest.raises(
        InputDataError, match="imbd is neither a file or folder here nor a data set; known are imdb"
    ):
        read_data(Path("imbd"), settings)
    with pytest.raises(InputDataError, match=r"cannot read imdb\.csv: No such file"):
        read_data(Path("imdb.csv"), settings)


def test_a_set_on_no_hub_says_how_to_fetch_it(tmp_path: Path) -> None:
    """`--data` has no place for the path of what was downloaded."""
    with pytest.raises(InputDataError, match="fetch yelp-reviews --from PATH --output"):
        read_data(Path("yelp-reviews"), TrainerSettings(cache_dir=tmp_path))


def test_fetched_parts_are_in_the_file(tmp_path: Path) -> None:
    """The column `split` of the Parquet file has the part of each row."""
    loader = find_dataset("imdb", choice=Choice(place=world.imdb_tree(tmp_path / "tree")))
    write_examples(loader.load(tmp_path / "cache"), tmp_path / "imdb.parquet")
    assert pq.read_table(tmp_path / "imdb.parquet")["split"].to_pylist() == ["train"] * 8 + ["test"] * 8


def test_a_part_of_a_data_set_by_name_is_its_own(tmp_path: Path) -> None:
    """Of a file all rows are the part; a data set without that part is an error that lists those it has."""
    loader = find_dataset("imdb", choice=Choice(place=world.imdb_tree(tmp_path / "tree")))
    write_examples(loader.load(tmp_path / "cache"), tmp_path / "imdb.parquet")
    settings = TrainerSettings(cache_dir=tmp_path / "cache", split_column="split")
    assert len(read_part(Path("imdb.parquet"), "test", settings.model_copy(update={"split_column": None}))) == 16
    found = read_part(Path("imdb.parquet"), "test", settings)
    assert len(found) == 8
    assert found.parts is None
    with pytest.raises(InputDataError, match="has no calibration part, but test, train"):
        read_part(Path("imdb.parquet"), "calibration", settings)
