"""One run with the real model: tweets, the product's scorer, and its answers outside of Kafka as the oracle."""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.inference.scheduler import Scheduler
from shared.inference.types import Score
from shared.model_folder.artifact import open_artifact
from tests.chaos.stage import Models, corrupt_copy
from tests.chaos.verdict.oracle import MARKER, UNDECODABLE, Oracle

if TYPE_CHECKING:
    from shared.inference.types import Scorer
    from shared.model_folder.artifact import Artifact

DEMO: Final = Path(".demo")
MODEL: Final = DEMO / "model"
TWEETS: Final = DEMO / "vader-tweets.parquet"


def real_scorer(artifact: Artifact) -> Scorer:
    """The product's scorer on the CPU, in fp32, so that answers can be compared digit by digit."""
    from shared.inference.engines.select import load_scorer  # noqa: PLC0415 - takes seconds

    return load_scorer(artifact, "cpu", "fp32")


def real_models(folder: Path) -> Models:
    """The model of `make demo`, an altered copy of it in `folder`, and the tweets that the demo fetched."""
    if not (MODEL.is_dir() and TWEETS.is_file()):
        sys.exit(f"{MODEL} or {TWEETS} is missing; run `make demo`, which makes both")
    return Models((MODEL,), corrupt_copy(MODEL, folder / "corrupt"), TweetOracle())


class TweetOracle(Oracle):
    """Tweets, each with the marker at its end; of 100 messages one is bad."""

    tolerance = 1e-4
    """A text's neighbours in a batch change the last digits."""

    def letter_of(self, number: int) -> str | None:
        """A real model scores every text, so only values that cannot be decoded are dead-lettered."""
        return UNDECODABLE if number % 100 == 7 else None

    def text_of(self, number: int) -> str:
        """A tweet; later messages repeat the tweets."""
        return self._texts[number % len(self._texts)]

    def probabilities(self, _version: str, text: str) -> tuple[float, ...]:
        """The scorer's answer outside of Kafka; there is only one version."""
        return self._answers[text]

    @cached_property
    def _texts(self) -> list[str]:
        import pyarrow.parquet as pq  # noqa: PLC0415 - members do without

        tweets: list[str] = pq.read_table(TWEETS, columns=["text"])["text"].to_pylist()
        return [f"{tweet} {MARKER}" for tweet in tweets]

    @cached_property
    def _answers(self) -> dict[str, tuple[float, ...]]:
        texts = list(dict.fromkeys(self._texts))
        answers = Scheduler(real_scorer(open_artifact(MODEL))).score(texts)
        return {
            text: answer.probabilities
            for text, answer in zip(texts, answers, strict=True)
            if isinstance(answer, Score)
        }
