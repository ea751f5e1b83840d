"""The model that the testing package makes: sealed, the same each time, with predictable answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sentiment_testing.model import LABELS, MAX_TOKENS, NEGATIVE, POSITIVE, make_model
from shared.inference.engines.select import load_scorer
from shared.inference.scheduler import Scheduler
from shared.inference.types import Score
from shared.model_folder.artifact import open_artifact

if TYPE_CHECKING:
    from shared.inference.engines.select import Precision

LONG = " ".join(["x"] * (MAX_TOKENS - 3))
TEXTS = {
    "a good day": "positive",
    "What an AWFUL film!": "negative",
    "the table": "neutral",
    "good and bad": "neutral",
    f"{LONG} good": "positive",
    f"bad {LONG}": "negative",
    " ".join(POSITIVE): "positive",
    " ".join(NEGATIVE): "negative",
}


@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_answers_follow_from_the_words(precision: Precision, tmp_path: Path) -> None:
    """Given texts with words that count, when they are scored in one batch, then each label is as documented."""
    artifact = open_artifact(make_model(tmp_path / "model"))
    scheduler = Scheduler(load_scorer(artifact, "cpu", precision), batch_tokens=1_024)
    scores = [score for score in scheduler.score(list(TEXTS)) if isinstance(score, Score)]
    assert [LABELS[score.label] for score in scores] == list(TEXTS.values())
    assert min(max(score.probabilities) for score in scores) > 0.9


def test_is_the_same_each_time(tmp_path: Path) -> None:
    """Given two calls, when their files are compared, then all are equal, so results have one model version."""
    folders = [make_model(tmp_path / name) for name in ("one", "two")]
    names = {path.name for path in folders[0].iterdir()}
    assert names == {"config.json", "model.safetensors", "sentiment.json", "tokenizer.json"}
    for name in names:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_the_documentation_lists_the_words() -> None:
    """Given docs/testing.md, when its lists are read, then they are the words that the model counts."""
    lines = (Path(__file__).parents[3] / "docs" / "testing.md").read_text(encoding="utf-8").splitlines()
    for name, words in (("positive", POSITIVE), ("negative", NEGATIVE)):
        (line,) = [one for one in lines if one.startswith(f"- {name}: ")]
        assert set(line.partition(": ")[2].split(", ")) == words
