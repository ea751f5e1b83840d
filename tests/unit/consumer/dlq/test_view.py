"""The display of dead letters: counted, aligned, harmless, and without their texts."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from consumer.dlq.letters import Index, Wanted
from consumer.dlq.replay import LeftBehind, Outcome, Plan
from consumer.dlq.view import SHOWN, print_index, print_json, print_letter, print_outcome
from shared.dlq.letters import Origin, Place
from tests.support.fakes import record
from tests.unit.consumer.dlq.test_letters import envelope, letter_of

EVIL = "\x1b[2J\u202e\x9b1m[red]"
HARMLESS = "\\u001b[2J\\u202e\\u009b1m[red]"


def test_letters_are_counted_and_listed_newest_first(capsys: pytest.CaptureFixture[str]) -> None:
    """Given letters of two reasons, when listed, then groups and letters come newest first, in aligned columns.

    Reasons that differ only in a number are one group.
    """
    some = [
        envelope(Place(0, 0), 1000, reason="bad byte at 17"),
        envelope(Place(0, 1), 2000, stage="encode", error="RecordTooLarge", reason="too large"),
        envelope(Place(1, 12), 3000, reason="bad byte at 4"),
    ]
    print_index(Index(some, {some[0].origin: ["texts", "more"]}, foreign=2), Wanted(), None)

    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "3 of 3 letters, and 2 other records; 1 replayed",
        "",
        "letters  replayed  newest                    stage   error           reason",
        "2        1         1970-01-01T00:00:03.000Z  decode  BadRecord       bad byte at N",
        "1        0         1970-01-01T00:00:02.000Z  encode  RecordTooLarge  too large",
        "",
        "letter  input       written                   stage   error           replayed to  reason",
        "1:12    texts-1-12  1970-01-01T00:00:03.000Z  decode  BadRecord       -            bad byte at 4",
        "0:1     texts-0-1   1970-01-01T00:00:02.000Z  encode  RecordTooLarge  -            too large",
        "0:0     texts-0-0   1970-01-01T00:00:01.000Z  decode  BadRecord       texts, more  bad byte at 17",
    ]


@pytest.mark.parametrize(
    ("epoch_ms", "shown"),
    [
        (-1, "1969-12-31T23:59:59.999Z"),
        (253_402_300_799_000, "9999-12-31T23:59:59.000Z"),
        (253_402_300_800_000, "253402300800000 ms"),
        (2**63 - 1, f"{2**63 - 1} ms"),
        (-(2**63), f"{-(2**63)} ms"),
    ],
)
def test_a_time_that_no_calendar_holds_is_a_number(
    capsys: pytest.CaptureFixture[str], epoch_ms: int, shown: str
) -> None:
    """Given a letter stamped with any number, when listed, then it is shown as a time, or as the number itself."""
    index = Index([envelope(Place(0, 0), epoch_ms)])
    print_index(index, Wanted(), None)
    print_json(index, Wanted(), None)
    out = capsys.readouterr().out

    assert out.count(shown) == 3


@pytest.mark.parametrize(("limit", "listed"), [(None, SHOWN), (3, 3), (0, 0), (99, 30)])
def test_only_so_many_are_listed_but_all_are_counted(
    capsys: pytest.CaptureFixture[str], limit: int | None, listed: int
) -> None:
    """Given more letters than the list may hold, when listed, then all are counted and the rest is reported."""
    print_index(Index([envelope(Place(0, n), n) for n in range(30)]), Wanted(), limit)
    out = capsys.readouterr().out

    assert out.startswith("30 of 30 letters; 0 replayed")
    assert out.count("texts-0-") == listed
    assert (f"{30 - listed} older letters are not listed" in out) == (listed < 30)


def test_json_lines_are_ascii_and_filtered(capsys: pytest.CaptureFixture[str]) -> None:
    """Given hostile text in an envelope, when listed as JSON, then every line is ASCII and holds it all."""
    some = [envelope(Place(0, n), n, reason=EVIL, stage="encode" if n else "decode") for n in range(3)]
    print_json(Index(some, {some[2].origin: ["a"]}), Wanted(stage="encode"), None)
    out = capsys.readouterr().out
    newest, older = map(json.loads, out.splitlines())

    assert out.isascii()
    assert "\x1b" not in out
    assert older["letter"] == "0:1"
    assert newest == {
        "letter": "0:2",
        "topic": "texts",
        "partition": 0,
        "offset": 2,
        "timestamp": 9,
        "written_at": "1970-01-01T00:00:00.002Z",
        "stage": "encode",
        "error": "BadRecord",
        "reason": EVIL,
        "value_left_bytes": None,
        "replayed_to": ["a"],
    }


def test_a_hostile_envelope_is_listed_harmlessly(capsys: pytest.CaptureFixture[str]) -> None:
    """Given hostile text in every part of an envelope, when listed, then it is plain characters."""
    one = envelope(Place(0, 0), 0, origin=Origin(EVIL, 0, 0, 9), stage=EVIL, error=EVIL, reason=EVIL)
    print_index(Index([one], {one.origin: [EVIL]}), Wanted(), None)
    out = capsys.readouterr().out

    assert out.count(HARMLESS) == 7, "in a group the numbers of the reason are N"
    assert not {"\x1b", "\u202e", "\x9b"} & set(out)


@pytest.mark.parametrize("content", [False, True])
def test_a_letter_is_shown_whole_but_its_text_only_on_demand(
    capsys: pytest.CaptureFixture[str], *, content: bool
) -> None:
    """Given a hostile letter, when shown, then headers and sizes are there; key and value on demand."""
    hostile = EVIL.encode() + b"\xff\n"
    one = record(b"private" + hostile, key=b"secret", headers=((EVIL, hostile), ("none", None), ("n", b"")))
    print_letter(letter_of(one), ["texts"], content=content)
    out = capsys.readouterr().out

    assert not {"\x1b", "\u202e", "\x9b"} & set(out)
    assert f"  {HARMLESS}  {HARMLESS}\\xff " in out
    assert "  none" in out
    assert "headers of the input: 3" in out
    assert "headers of the service: 10" in out
    assert f"value        {len(one.value or b'')} bytes" in out
    assert "replayed to  texts" in out
    assert ("secret" in out) is content
    assert (f"private{HARMLESS}\\xff" in out) is content


def test_a_value_that_stayed_behind_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Given a letter without its value, when shown, then it has size and place of the value."""
    print_letter(letter_of(record(b"x" * 200_000)), [], content=True)

    assert "value        stayed behind: 200000 bytes at the input's place" in capsys.readouterr().out


def test_an_outcome_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Given a replay that left some letters, when reported, then every letter is in one of the numbers."""
    chosen = [envelope(Place(0, n), n) for n in range(4)]
    left = LeftBehind(envelope(Place(0, 4), 4), f"refused {EVIL}")
    print_outcome(Outcome(Plan(chosen, [left], 5, 6), Counter({"b": 2, "a": 1}), unsent=1))

    assert capsys.readouterr().out == (
        f"0:4 cannot be replayed: refused {HARMLESS}; its input was texts-0-4\n"
        "replayed 3 letters: a 1, b 2; 1 left, as it was stopped or they are gone; 1 cannot be; "
        "5 skipped: already replayed; 6 repeat an input\n"
    )
