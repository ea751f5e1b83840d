"""The reasons of dead letters are documented for an operator."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.reasons import Reason, Stage, kind_of

PAGE = Path(__file__).parents[3] / "docs" / "dead-letters.md"


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_documented_with_its_meaning(reason: Reason) -> None:
    """Given docs/dead-letters.md, when a reason is looked up, then its row is there."""
    assert f"| `{reason}` | {reason.meaning} |" in PAGE.read_text(encoding="utf-8")


def test_every_stage_is_documented() -> None:
    """Given the same page, when it names the stages, then it names all of them."""
    page = PAGE.read_text(encoding="utf-8")

    assert all(f"`{stage}`" in page for stage in Stage)


def test_reasons_that_differ_in_numbers_are_of_one_kind() -> None:
    """Given reasons with positions, when grouped, then positions and sizes are N, and names with digits stay."""
    assert kind_of("the text is not UTF-8: invalid start byte at byte 17") == kind_of(
        "the text is not UTF-8: invalid start byte at byte 4"
    )
    assert kind_of("not UTF-16-LE at byte 4, field a1") == "not UTF-16-LE at byte N, field a1"
