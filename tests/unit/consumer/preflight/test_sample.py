"""What a sample of records would become: every record is counted once, under what `run` would make of it."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from consumer.preflight.sample import Survey, survey
from consumer.preflight.sample_table import SHOWN, summary, table
from shared.errors import InputDataError
from shared.formats import InputFormat
from shared.inference.scheduler import Scheduler
from shared.inference.tokenization.scripts import NONE, script_of
from tests.support.fakes import FakeScorer, record

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = {
    b'{"text": "fine"}': "scored",
    b'{"text": "fine", "id": [7]}': "scored",
    b'{"text": "cannot"}': "dead",
    b'{"text": ""}': "dead",
    b"plain": "dead",
    gzip.compress(b"{}", mtime=0): "dead",
    None: "deletion",
    b"null": "deletion",
}


@pytest.fixture(scope="module")
def scoring() -> Iterator[Scheduler]:
    """A scheduler around a scorer that fails on one text."""
    one = Scheduler(FakeScorer(unscorable={"cannot"}))
    yield one
    one.close(timeout_s=1.0)


@settings(deadline=None, max_examples=40)
@given(values=st.lists(st.sampled_from(list(KINDS)), max_size=600))
def test_every_record_is_counted_once(scoring: Scheduler, values: list[bytes | None]) -> None:
    """Given records of all kinds, more than a window, when surveyed, then all counts add up to them."""
    found = Survey()

    survey((record(value) for value in values), InputFormat(), scoring, 0.2, found)

    kinds = [KINDS[value] for value in values]
    assert found.records == len(values)
    assert (found.scored, found.dead_letters, found.deletions) == (
        kinds.count("scored"),
        kinds.count("dead"),
        kinds.count("deletion"),
    )
    assert found.unusable_ids == values.count(b'{"text": "fine", "id": [7]}')
    assert found.looks.total() == len(values) - values.count(None)
    assert len(found.tokens) == found.scripts.total() == found.scored


def test_the_table_names_kinds_and_no_text(scoring: Scheduler) -> None:
    """Given texts and faults, when shown, then reasons, formats, scripts and shares are, and no text is."""
    found = Survey()
    texts = ["private good day"] * 6 + ["\u043f\u0440\u0438\u0432\u0435\u0442"] * 2
    values = [json.dumps({"text": text}).encode() for text in texts]
    survey((record(value) for value in [*values, b'{"private@x": 1}', None]), InputFormat(), scoring, 0.2, found)

    screen = Console(file=StringIO(), width=120)
    screen.print(table(found, max_tokens=64, max_unknown_share=0.2))
    shown = screen.file.getvalue()  # type: ignore[attr-defined]

    assert summary(found, 10, 0.2) == "10 records: 8 would be scored, 1 dead-lettered, 1 are deletions"
    for line in (
        "scored 8 80.0%",
        "no text at text: the value is an object with N fields whose names may be data 1 10.0%",
        "JSON 9 90.0%",
        "longer than the model reads, truncated 0 0.0%",
        "Latin 6 75.0%",
        "Cyrillic 2 25.0%",
    ):
        assert line in " ".join(shown.replace("\u2502", " ").split())
    assert "private" not in shown


def test_many_reasons_are_cut_to_the_most_frequent() -> None:
    """Given more reasons than are shown, when shown, then the last row adds up the others."""
    found = Survey(records=100)
    found.reasons.update({f"reason {chr(ord('a') + number)}": number for number in range(1, 14)})

    screen = Console(file=StringIO(), width=120)
    screen.print(table(found, max_tokens=64, max_unknown_share=0.2))
    lines = [line.split("\u2502")[0].strip() for line in screen.file.getvalue().splitlines()]  # type: ignore[attr-defined]

    assert sum(line.startswith("reason") for line in lines) == SHOWN - 1
    assert "4 others" in lines


def test_a_sample_without_any_score_is_a_fault() -> None:
    """Given records of which none can be scored, when summed up, then it is an error; deletions alone are none."""
    with pytest.raises(InputDataError, match="compare format and text_field"):
        summary(Survey(records=3, reasons=Counter(x=3)), 3, 0.2)
    assert summary(Survey(records=3, deletions=3), 4, 0.2).startswith(
        "3 records among the newest 4 offsets: 0 would"
    )
    often = summary(Survey(records=4, scored=3, reasons=Counter(x=1)), 4, 0.2)
    assert often.endswith("; with more than 20% (limits.dlq_share) dead-lettered, run ends")
    assert summary(Survey(), 100, 0.2) == "no records to look at yet"


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("a good day", "Latin"),
        ("\u043f\u0440\u0438\u0432\u0435\u0442 ok", "Cyrillic"),
        ("\u6f22\u5b57\u304b\u306a\u304c", "Hiragana"),
        ("\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "Thai"),
        ("\u13a3\u13cf\u13f2", "other"),
        ("\U0001f600 123", NONE),
    ],
)
def test_a_text_is_of_the_script_of_most_of_its_letters(text: str, script: str) -> None:
    """Digits, marks and emoji belong to no script."""
    assert script_of(text) == script
