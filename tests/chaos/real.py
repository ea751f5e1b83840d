"""Runs with real models: tweets, the product's scorer, and its answers outside of Kafka as the oracle."""

from __future__ import annotations

import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.inference.scheduler import Scheduler
from shared.inference.types import Score
from shared.model_folder.artifact import open_artifact
from tests.chaos.stage import Models, corrupt_copy
from tests.chaos.verdict.oracle import LABELS, MARKER, UNDECODABLE, Oracle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.types import Scorer
    from shared.model_folder.artifact import Artifact

DEMO: Final = Path(".demo")
MODEL: Final = DEMO / "model"
TWEETS: Final = DEMO / "vader-tweets.parquet"
BASELINES: Final = ("nbsvm", "logreg")
"""Two, so that a model can be swapped; both are trained on the tweets in seconds."""


def real_scorer(artifact: Artifact) -> Scorer:
    """The product's scorer on the CPU, in fp32, so that answers can be compared digit by digit."""
    from shared.inference.engines.select import load_scorer  # noqa: PLC0415 - takes seconds

    return load_scorer(artifact, "cpu", "fp32")


def demo_models(folder: Path) -> Models:
    """The model of `make demo`, an altered copy of it in `folder`, and the tweets that the demo fetched."""
    _require_demo()
    return _models((MODEL,), folder)


def baseline_models(folder: Path) -> Models:
    """Models of words, trained on the demo's tweets, and an altered copy of the first, all in `folder`."""
    _require_demo()
    for name in BASELINES:
        train = ["train", "--model", name, "--data", str(TWEETS), "--output", str(folder / name), "--no-behaviour"]
        subprocess.run([sys.executable, "-m", "trainer", *train], check=True, capture_output=True)
    return _models(tuple(folder / name for name in BASELINES), folder)


def _require_demo() -> None:
    if not (MODEL.is_dir() and TWEETS.is_file()):
        sys.exit(f"{MODEL} or {TWEETS} is missing; run `make demo`, which makes both")


def _models(good: tuple[Path, ...], folder: Path) -> Models:
    return Models(good, corrupt_copy(good[0], folder / "corrupt"), TweetOracle(good))


class TweetOracle(Oracle):
    """Tweets, each with the marker at its end, and the answers of models to them; of 100 messages one is bad."""

    tolerance = 1e-4
    """A text's neighbours in a batch change the last digits."""

    def __init__(self, models: Sequence[Path]) -> None:
        self._models = models

    def letter_of(self, number: int) -> str | None:
        """A real model scores every text, so only values that cannot be decoded are dead-lettered."""
        return UNDECODABLE if number % 100 == 7 else None

    def text_of(self, number: int) -> str:
        """A tweet; later messages repeat the tweets."""
        return self._texts[number % len(self._texts)]

    def probabilities(self, version: str, text: str) -> tuple[float, ...]:
        """The answer of that version's scorer outside of Kafka."""
        return self._answers[version][text].probabilities

    def label(self, version: str, text: str) -> str:
        """The label of that answer: the choice follows the model's decision weights."""
        return LABELS[self._answers[version][text].label]

    @cached_property
    def _texts(self) -> list[str]:
        import pyarrow.parquet as pq  # noqa: PLC0415 - members do without

        tweets: list[str] = pq.read_table(TWEETS, columns=["text"])["text"].to_pylist()
        return [f"{tweet} {MARKER}" for tweet in tweets]

    @cached_property
    def _answers(self) -> dict[str, dict[str, Score]]:
        artifacts = [open_artifact(model) for model in self._models]
        return {artifact.version: self._answers_of(artifact) for artifact in artifacts}

    def _answers_of(self, artifact: Artifact) -> dict[str, Score]:
        texts = list(dict.fromkeys(self._texts))
        answers = Scheduler(real_scorer(artifact)).score(texts)
        return {text: answer for text, answer in zip(texts, answers, strict=True) if isinstance(answer, Score)}
