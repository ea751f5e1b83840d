"""What pandas, DuckDB and Spark write is read back equal with the dialect given, equal or refused without."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.training.csv_guesses import corpus, judge, quoted_escapes
from shared.errors import InputDataError
from trainer.data.tables import ReadOptions, read_columns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Quotes, separators, escapes and line breaks often enough that they meet.
CHARACTERS = st.sampled_from("\"',;\t|\\\n\r ab\u00e90#") | st.characters(exclude_categories=["Cs"])
TEXTS = st.text(CHARACTERS, max_size=12)
ROWS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6)
NAMES = ["text", "label"]
DUCKDB = duckdb.connect(config={"autoinstall_known_extensions": "false", "threads": "1"})


def pandas_with(**how: Any) -> Callable[[pd.DataFrame, Path], object]:
    """A writer of pandas."""
    return lambda frame, path: frame.to_csv(path, index=False, **how)


def duckdb_with(how: str) -> Callable[[pd.DataFrame, Path], object]:
    """DuckDB's COPY."""

    def write(frame: pd.DataFrame, path: Path) -> None:
        connection = DUCKDB.cursor()
        connection.execute("create or replace temp table t(text varchar, label varchar)")
        connection.executemany("insert into t values (?, ?)", frame.to_numpy().tolist())
        connection.execute(f"copy t to '{path}' (format csv, header {how})")

    return write


def spark_with(*, always: bool) -> Callable[[pd.DataFrame, Path], object]:
    """Spark: a backslash before quotes and backslashes in fields with quotes."""
    cells = quoted_escapes(always=always)
    return lambda frame, path: path.write_text(
        cells([("text", "label"), *frame.to_numpy().tolist()]),  # type: ignore[list-item]
        encoding="utf-8",
        newline="",
    )


WRITERS: dict[str, tuple[Callable[[pd.DataFrame, Path], object], ReadOptions]] = {
    "pandas": (pandas_with(), ReadOptions(delimiter=",", quote='"', escape="double")),
    "pandas tab": (pandas_with(sep="\t"), ReadOptions(delimiter="\t", quote='"', escape="double")),
    "pandas all": (
        pandas_with(sep=";", quoting=csv.QUOTE_ALL),
        ReadOptions(delimiter=";", quote='"', escape="double"),
    ),
    "pandas CRLF": (pandas_with(lineterminator="\r\n"), ReadOptions(delimiter=",", quote='"', escape="double")),
    "pandas escapechar": (
        pandas_with(escapechar="\\", doublequote=False),
        ReadOptions(delimiter=",", quote='"', escape="\\"),
    ),
    "pandas escapechar and doubled": (
        pandas_with(escapechar="\\"),
        ReadOptions(delimiter=",", quote='"', escape="\\"),
    ),
    "pandas single quotes": (pandas_with(quotechar="'"), ReadOptions(delimiter=",", quote="'", escape="double")),
    "duckdb": (duckdb_with(""), ReadOptions(delimiter=",", quote='"', escape="double")),
    "duckdb all": (duckdb_with(", force_quote *"), ReadOptions(delimiter=",", quote='"', escape="double")),
    "duckdb escape": (
        duckdb_with(", escape '\\', delimiter '|'"),
        ReadOptions(delimiter="|", quote='"', escape="quoted:\\"),
    ),
    "spark": (spark_with(always=False), ReadOptions(delimiter=",", quote='"', escape="quoted:\\")),
    "spark all": (spark_with(always=True), ReadOptions(delimiter=",", quote='"', escape="quoted:\\")),
}


@pytest.mark.parametrize("writer", WRITERS)
@settings(
    max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, derandomize=True
)
@given(rows=ROWS)
def test_a_given_dialect_is_read_back_equal(tmp_path: Path, writer: str, rows: list[tuple[str, str]]) -> None:
    """Any texts: quotes, separators, escapes, line breaks of all kinds, NUL bytes."""
    write, options = WRITERS[writer]
    path = tmp_path / "d.csv"
    write(pd.DataFrame(rows, columns=NAMES), path)
    assert read(path, options) == written(rows)


@pytest.mark.parametrize("writer", WRITERS)
@settings(
    max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, derandomize=True
)
@given(rows=ROWS)
def test_a_guessed_dialect_is_read_back_equal_or_refused(
    tmp_path: Path, writer: str, rows: list[tuple[str, str]]
) -> None:
    """With a header and no option; an error quotes no text."""
    path = tmp_path / "d.csv"
    WRITERS[writer][0](pd.DataFrame(rows, columns=NAMES), path)
    try:
        found = read(path, ReadOptions())
    except InputDataError as error:
        assert "--" in str(error) or "holds no rows" in str(error), error  # noqa: PT017 - the name of an option
    else:
        assert found == written(rows)


def read(path: Path, options: ReadOptions) -> list[tuple[Any, ...]]:
    """The rows of a file; an empty field is no value."""
    found = read_columns(path, NAMES, options)
    return list(zip(found["text"], found["label"], strict=True))


def written(rows: list[tuple[str, str]]) -> list[tuple[str | None, ...]]:
    """The rows as they are read."""
    return [tuple(value or None for value in row) for row in rows]


def test_of_200_files_without_header_at_most_one_in_a_hundred_is_wrong(tmp_path: Path) -> None:
    """`python -m benchmarks.training.csv_guesses` lists them."""
    verdicts = [judge(file, tmp_path)[0] for file in corpus()]
    assert verdicts.count("wrong") <= len(verdicts) // 100
    assert verdicts.count("right") >= len(verdicts) * 0.85
