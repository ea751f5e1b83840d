"""What `score --explain` prints."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from rich.console import Console

from consumer.offline.explanations import BAR_CELLS, bars
from shared.inference.explanation.words import Explanation, Method, Word
from shared.messages import ModelRef, Result

RESULT = Result(
    id="1",
    label="positive",
    score=0.7,
    probabilities={"negative": 0.3, "positive": 0.7},
    uncertain=False,
    truncated=False,
    tokens=5,
    model=ModelRef(name="m", version="1"),
    source=None,
    scored_at=datetime(2026, 11, 26, tzinfo=UTC),
)
FOUND = Explanation(
    Method.OCCLUSION, "positive", 0.84729786, (Word("good", 2.0), Word("\x1b[31mbad", -1.0), Word("so", 0.0))
)


def shown(found: Explanation | None) -> list[str]:
    """The lines of a terminal of 80 columns."""
    file = io.StringIO()
    Console(width=80, file=file, color_system=None).print(bars(RESULT, found))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_bars_have_a_sign_in_figures_and_no_escape_codes_of_the_text() -> None:
    """Given words for and against, when shown, then the largest bar is full, and a text cannot draw."""
    title, _, good, bad, neither = shown(FOUND)
    assert title == "positive 0.700"
    assert good.split() == ["good", "+2.00", "█" * BAR_CELLS]
    assert bad.split()[-2:] == ["-1.00", "█" * (BAR_CELLS // 2)]
    assert bad.index("█") < good.index("█")
    assert neither.split() == ["so", "+0.00"]
    assert "\x1b" not in "".join(shown(FOUND))


def test_without_an_explanation_there_is_no_bar() -> None:
    """Given a text of which nothing is left, when shown, then the answer is there and no word is."""
    assert not any("█" in line for line in shown(None))


def test_json_has_method_label_and_rounded_weights() -> None:
    """Given an explanation, when written, then it can be read without this project."""
    assert FOUND.rounded() == {
        "method": "occlusion",
        "label": "positive",
        "log_odds": 0.8473,
        "words": [
            {"text": "good", "weight": 2.0},
            {"text": "\x1b[31mbad", "weight": -1.0},
            {"text": "so", "weight": 0.0},
        ],
    }
