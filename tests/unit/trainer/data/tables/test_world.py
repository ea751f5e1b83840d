"""Each line of the table of inputs in docs/formats.md does what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from shared.errors import InputDataError, SettingsError
from tests.unit.trainer.data.tables.world import CASES, NEG, POS, Case
from trainer.data.readers import checked_examples, column_names
from trainer.data.tables import read_columns, read_pair
from trainer.settings import TrainerSettings

PAGE = Path(__file__).parents[5] / "docs" / "formats.md"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_an_input_of_the_world_is_read_or_refused(tmp_path: Path, case: Case) -> None:
    """With the texts and labels that it holds, or with words that name no text."""
    for name, content in case.files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    data = tmp_path / next(iter(case.files)).split("/")[0]
    if not case.rows:
        with pytest.raises((InputDataError, SettingsError)) as refused:
            read(data, case, tmp_path)
        assert case.words.replace("`", "'") in str(refused.value).replace("`", "'")
        assert not any(text in str(refused.value) for text in (POS, NEG, "secret"))
        return
    with structlog.testing.capture_logs() as logs:
        assert read(data, case, tmp_path) == case.rows
    assert case.words in [line.get("read_as") for line in logs]


def read(data: Path, case: Case, folder: Path) -> list[tuple[object, object]]:
    """Reads as the commands do; returns texts and labels."""
    names = column_names(TrainerSettings.model_validate(case.settings))
    if case.labels:
        columns = read_pair(data, folder / case.labels, names.options)
        assert columns is not None
    else:
        columns = read_columns(data, names.all(), names.options)
    rows = len(columns.get(names.text, []))
    if not rows or not columns.get(names.label) or not all(isinstance(text, str) for text in columns[names.text]):
        checked_examples(columns, names, where=str(data), source="x")  # raises
    return list(zip(columns[names.text], columns[names.label], strict=True))


def test_the_page_lists_every_input() -> None:
    """docs/formats.md has the lines of the cases, and no others in its table."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("| input | source |"))
    table = lines[begin + 2 : begin + 2 + len(CASES)]
    assert table == [case.line() for case in CASES]
    assert not any(line.startswith("|") for line in lines[begin + 2 + len(CASES) :][:1])
