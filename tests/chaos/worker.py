"""A consumer of the chaos suite: the product's own wiring around a scorer that needs no model.

Settings come from SENTIMENT_ variables as always, and from the environment what to do wrong on purpose:
CHAOS_FAILPOINT kills it at a place, CHAOS_MUTANT puts a known bug into it, CHAOS_SCORER shapes its scorer.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from importlib import import_module
from typing import TYPE_CHECKING, Final

from consumer import settings as consumer_settings
from consumer.isolation import Isolation, OutOfMemory, PassFailed, TokenBudget
from consumer.preflight import Preflight
from consumer.records import Score, Unscorable
from consumer.scoring import ScoringThread
from consumer.service import consume
from consumer.signals import stop_on_signals
from shared.artifact import open_artifact
from shared.logs import configure_logs, exit_with
from shared.messages import ModelRef
from tests.chaos import failpoints, oracle

if TYPE_CHECKING:
    from collections.abc import Sequence

FULL_TOKENS: Final = 4_096
TOKENS: Final = 8
"""Every text is as long."""
SMALL_ROWS: Final = 24
"""So many rows always fit the memory."""


class OracleScorer:
    """Answers by `oracle`, through the product's own isolation of failing passes. Takes `pass_s` for a pass."""

    labels = oracle.LABELS

    def __init__(self, version: str, *, pass_s: float = 0.004, out_of_memory: float = 0.02) -> None:
        self._version = version
        self._pass_s = pass_s
        self._out_of_memory = out_of_memory
        self._random = random.Random()  # noqa: S311 - differs from life to life
        self._isolation = Isolation(self._forward, self._control, TokenBudget(FULL_TOKENS))

    def score(self, texts: Sequence[str]) -> list[Score | Unscorable]:
        """Scores texts; answers in input order."""
        answers = self._isolation.run(list(texts), [TOKENS] * len(texts))
        return [
            answer if isinstance(answer, Unscorable) else Score(answer, TOKENS, TOKENS, truncated=False)
            for answer in answers
        ]

    def describe(self) -> dict[str, str]:
        """Says that it is the oracle."""
        return {"name": "oracle", "version": self._version, "engine": "oracle", "device": "none"}

    def _forward(self, texts: Sequence[str]) -> list[tuple[float, ...] | None]:
        time.sleep(self._pass_s)
        if len(texts) > SMALL_ROWS and self._random.random() < self._out_of_memory:
            raise OutOfMemory
        if any(oracle.KILLER in text for text in texts):
            os.kill(os.getpid(), signal.SIGKILL)
        if any(oracle.POISON in text for text in texts):
            raise PassFailed("poison")
        return [None if oracle.NOT_FINITE in text else oracle.probabilities(self._version, text) for text in texts]

    def _control(self) -> None:
        time.sleep(self._pass_s)


def main() -> None:
    """Runs until stopped, as `sentiment-consumer run` does."""
    settings = consumer_settings.load({})
    configure_logs(settings.log_level)
    stop = threading.Event()
    stop_on_signals(stop)
    if spec := os.environ.get("CHAOS_FAILPOINT"):
        failpoints.install(spec)
    if seconds := os.environ.get("CHAOS_STRETCH_S"):
        failpoints.stretch(float(seconds))
    if mutant := os.environ.get("CHAOS_MUTANT"):
        import_module(f"tests.chaos.mutants.{mutant}").apply()
    artifact = open_artifact(settings.model_folder)
    preflight = Preflight(settings)
    partitions = preflight.partitions()
    scoring = ScoringThread(OracleScorer(artifact.version, **json.loads(os.environ.get("CHAOS_SCORER", "{}"))))
    consume(
        settings,
        partitions=partitions,
        scoring=scoring,
        labels=oracle.LABELS,
        model=ModelRef(name="oracle", version=artifact.version),
        stop=stop,
        observe=None,
    )


if __name__ == "__main__":
    exit_with(main)
