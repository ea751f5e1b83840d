r"""What the published sets of reviews have in common: stars, JSON Lines, and CSV of class, title and text.

The CSV files (Zhang et al. 2015) have no header, double a quote within a field, and write \n for a line break.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.data.datasets.archives import found_files, is_archive
from trainer.data.datasets.published import TEST, TRAIN, reader_of_files
from trainer.data.readers import ColumnNames, checked_examples
from trainer.data.tables import ReadOptions, read_columns

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.data.datasets.published import Files
    from trainer.data.examples import Examples

STARS: Final = "1-2=negative,3=neutral,4-5=positive"
"""The rule for ratings from 1 to 5. The polarity sets have the same, without 3 stars."""
POLARITY: Final = "1=negative,2=positive"
_NAMES: Final = {TRAIN: "train.csv", TEST: "test.csv"}


def csv_reader(*columns: str) -> Callable[[Files], dict[str, Examples]]:
    """A reader of train.csv and test.csv with these columns; a title becomes the beginning of the text."""
    options = ReadOptions(
        data_format="csv",
        encoding="utf-8",
        delimiter=",",
        quote='"',
        escape="double",
        header="no",
        columns=columns,
    )
    text = "title + text" if "title" in columns else "text"
    names = ColumnNames(text=text, label="class", options=options)
    return reader_of_files(_NAMES, names, lambda value: value.replace("\\n", "\n"))


def json_reader(names: ColumnNames, file_name: str) -> Callable[[Files], dict[str, Examples]]:
    """A reader of JSON Lines, which are one part; in an archive or a folder with it, the file of this name."""

    def read(files: Files) -> dict[str, Examples]:
        if is_archive(files.place) or (files.place.is_dir() and (files.place / file_name).is_file()):
            with found_files(files.place, {TRAIN: file_name}, files.cache_dir) as found:
                columns = read_columns(found[TRAIN], names.all(), names.options)
        else:
            columns = read_columns(files.place, names.all(), names.options)
        where = str(files.place)
        return {TRAIN: checked_examples(columns, names, where=where, source=files.source, rules=files.rules)}

    return read
