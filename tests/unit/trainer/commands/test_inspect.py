"""`inspect`: what it prints, and when `--strict` ends it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from shared.errors import UnfitData
from tests.unit.trainer.data.quality.world import examples
from trainer.commands.inspect import refuse_faults, report_on
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.data.examples import Examples

LEAK = examples([("so good", "a"), ("so bad", "b"), ("SO good", "a")], parts=["train", "train", "test"])
CONFLICT = examples([("so good", "a"), ("so good", "b"), ("so bad", "b")])
NEAR_CONFLICT = examples(
    [("one two three four five six", "a"), ("one two three four five six seven", "b"), ("so bad", "b")]
)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (LEAK, r"rows\.csv: 1 rows of the test part are in the train part too, and 0 more have a near-duplicate "),
        (CONFLICT, r"rows\.csv: 1 texts have several labels; take them out, or leave out --strict"),
    ],
)
def test_strict_ends_with_one_line_after_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: Examples, says: str
) -> None:
    """The report is printed first; without `--strict` nothing ends."""
    found = report_on(data, "rows.csv", TrainerSettings(base="nowhere", cache_dir=tmp_path))
    assert "rows.csv: 3 rows" in capsys.readouterr().out
    refuse_faults(found, strict=False)
    with pytest.raises(UnfitData, match=says) as raised:
        refuse_faults(found, strict=True)
    assert raised.value.exit_code == 81
    assert "\n" not in str(raised.value)


def test_near_duplicates_with_several_labels_end_nothing(tmp_path: Path) -> None:
    """They are often right."""
    found = report_on(NEAR_CONFLICT, "rows.csv", TrainerSettings(base="nowhere", cache_dir=tmp_path))
    assert found.near.conflicting_groups == 1
    refuse_faults(found, strict=True)


def test_the_report_is_json_whatever_a_text_holds(tmp_path: Path) -> None:
    """Given texts with a lone surrogate, which JSON Lines can carry, then the file is UTF-8 and has the rows."""
    data = examples([("so good \ud83d", "a"), ("SO good \ud83d", "b"), ("so bad", "b")])
    settings = TrainerSettings(base="nowhere", cache_dir=tmp_path)
    found = report_on(data, "rows.csv", settings, show_texts=True)
    rows = json.loads(found.as_json().encode())["exact"]["conflicts"][0]["rows"]
    assert [row["text"] for row in rows] == ["so good ?", "SO good ?"]


def test_lengths_are_in_words_where_there_is_no_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A baseline has none, whatever tokenizers are on the machine."""
    monkeypatch.setattr("trainer.models.pretrained.local.local_tokenizer", lambda *_: pytest.fail("not asked for"))
    found = report_on(LEAK, "rows.csv", TrainerSettings(model="nb", cache_dir=tmp_path))
    assert found.lengths.unit == "words"
