"""Texts for the measurement, and the resulting settings file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consumer.plan.choice import Setting
from consumer.plan.report import write_settings
from consumer.plan.sample import of_file
from consumer.settings import load
from shared.errors import InputDataError, SettingsError
from shared.formats import InputFormat
from shared.formats.path import parse_selector

if TYPE_CHECKING:
    from pathlib import Path

FORM = InputFormat(text=parse_selector("data.text"))


def test_a_line_is_a_text(tmp_path: Path) -> None:
    """Given a plain file with blank lines, when read, then every other line is a text, shuffled but none lost."""
    file = tmp_path / "texts.txt"
    file.write_bytes("".join(f"text {number}\r\n \n" for number in range(100)).encode())

    found = of_file(file, FORM)

    assert sorted(found.texts) == sorted(f"text {number}" for number in range(100))
    assert found.texts != sorted(found.texts)
    assert found.texts == of_file(file, FORM).texts


def test_a_line_of_json_is_an_input(tmp_path: Path) -> None:
    """Given JSON Lines, when read, then the texts come from the configured path."""
    file = tmp_path / "texts.jsonl"
    file.write_text('{"data": {"text": "fine"}}\n\n{"data": {"text": "well"}, "id": 7}\n')

    assert sorted(of_file(file, FORM).texts) == ["fine", "well"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"fine\n\xff secret\n", r"a\.txt: line 2: the value is not UTF-8"),
        (
            "a.jsonl",
            b'{"data": {"text": "fine"}}\n{"text": "secret"}',
            r"line 2: no text at data\.text: the value is an object with the fields text",
        ),
        ("a.txt", b"\n \n", "holds no text"),
        ("", b"", "cannot read the sample"),
    ],
)
def test_what_cannot_be_read_is_named_and_not_quoted(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """Given a file that is not a sample, when read, then the error names the line and quotes nothing."""
    file = tmp_path / name
    if name:
        file.write_bytes(content)

    with pytest.raises(InputDataError, match=said) as raised:
        of_file(file, FORM)
    assert "secret" not in str(raised.value)


def test_the_written_file_is_a_settings_file(tmp_path: Path) -> None:
    """Given values of any kind, when written, then they are read back with the limits, below the comments."""
    file = tmp_path / "plan.yaml"
    values = {"group_id": "ü: #", "limits.batch_records": 7, "limits.commit_timeout_s": 9.5, "trainer.seed": 1}
    properties = {"kafka.properties": {"linger.ms": 7}}

    write_settings(file, {**values, **properties}, Setting(256, 1_024), ["one\nline", "another"])

    found = load({}, file)
    assert file.read_text().startswith("# one line\n# another\n")
    assert (found.limits.batch_records, found.limits.batch_tokens, found.limits.commit_timeout_s) == (
        256,
        1_024,
        9.5,
    )
    assert (found.group_id, found.kafka.properties) == ("ü: #", {"linger.ms": 7})


def test_an_existing_file_is_left_as_it_is(tmp_path: Path) -> None:
    """Given a file of that name, or no folder for it, when written, then an error says so and nothing changes."""
    file = tmp_path / "plan.yaml"
    file.write_text("group_id: mine\n")

    with pytest.raises(SettingsError, match="exists and is not overwritten; give another --output"):
        write_settings(file, {}, Setting(256, 1_024), [])
    with pytest.raises(SettingsError, match=r"cannot write .*nowhere.plan\.yaml: No such file or directory"):
        write_settings(tmp_path / "nowhere" / "plan.yaml", {}, Setting(256, 1_024), [])
    assert file.read_text() == "group_id: mine\n"
