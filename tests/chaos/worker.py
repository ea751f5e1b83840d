"""A consumer of the chaos suite: the product's own wiring, mostly around a scorer that needs no model.

Settings come from SENTIMENT_ variables as always. The environment also says which faults to cause:
CHAOS_FAILPOINT kills it at a place, CHAOS_MUTANT puts a known bug into it, CHAOS_SCORER configures its scorer,
CHAOS_HANG is the forward pass that never ends, CHAOS_DEATH is the signal with which a culprit ends it,
CHAOS_MEMORY_MB is the memory limit of its container, CHAOS_REAL gives it the product's scorer,
CHAOS_TRANSACTION_TIMEOUT_MS shortens its transactions, and CHAOS_STALL_S is its stall timeout.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from dataclasses import dataclass
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consumer import settings as consumer_settings
from consumer.preflight.questions import Preflight
from consumer.service import consume
from consumer.signals import stop_on_signals
from shared.inference.isolation import OutOfMemory, PassFailed
from shared.inference.scheduler import Scheduler
from shared.inference.types import ModelIdentity, Score
from shared.kafka import transactions
from shared.logs import configure_logs, end_process, exit_with
from shared.model_folder.artifact import open_artifact
from tests.chaos.faults import failpoints
from tests.chaos.patching import replace
from tests.chaos.real import real_scorer
from tests.chaos.verdict import oracle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.types import Scorer
    from shared.model_folder.artifact import Artifact

FULL_TOKENS: Final = 4_096
TOKENS: Final = 8
"""Every text has the same length."""
SMALL_ROWS: Final = 24
"""A pass of this many rows always fits the memory."""
LOOK_S: Final = 0.01
"""Interval of the memory checks, which the kernel makes at every page; a bomb takes 30 times as long or more."""


class OracleScorer:
    """Answers with `oracle`. A pass takes `pass_s`. Its rows are the texts, each of TOKENS tokens."""

    concurrency = 1
    batch_tokens = FULL_TOKENS
    padding = 0

    def __init__(self, version: str, *, pass_s: float = 0.004, out_of_memory: float = 0.02) -> None:
        self._version = version
        self.model = ModelIdentity("oracle", version, oracle.LABELS)
        self._oracle = oracle.Oracle()
        self._pass_s = pass_s
        self._out_of_memory = out_of_memory
        self._random = random.Random()  # noqa: S311 - differs from life to life
        self._passes = count(1)
        self._hangs_at = int(os.environ.get("CHAOS_HANG") or 0)
        self._death = signal.Signals[os.environ.get("CHAOS_DEATH") or "SIGKILL"]

    def normalise(self, text: str) -> str:
        """Returns the text unchanged."""
        return text

    def tokenise(self, texts: Sequence[str]) -> list[_Row]:
        """Makes a row of each text."""
        return [_Row(text) for text in texts]

    def forward(self, rows: Sequence[_Row]) -> list[Score | None]:
        """Answers in order; runs out of memory, fails, dies or answers nothing finite as the texts demand."""
        if next(self._passes) == self._hangs_at:
            threading.Event().wait()
        time.sleep(self._pass_s)
        if len(rows) > SMALL_ROWS and self._random.random() < self._out_of_memory:
            raise OutOfMemory
        if any(oracle.KILLER in row.text for row in rows):
            os.kill(os.getpid(), self._death)
        if any(oracle.POISON in row.text for row in rows):
            raise PassFailed("poison")
        return [None if oracle.NOT_FINITE in row.text else self._score(row.text) for row in rows]

    def describe(self) -> dict[str, str]:
        """Reports itself as the oracle."""
        return {"name": "oracle", "version": self._version, "engine": "oracle", "device": "none"}

    def _score(self, text: str) -> Score:
        shares = self._oracle.probabilities(self._version, text)
        return Score(shares, shares.index(max(shares)), TOKENS, TOKENS, truncated=False, model=self.model)


@dataclass(frozen=True, slots=True)
class _Row:
    text: str

    def __len__(self) -> int:
        return TOKENS


def main() -> None:
    """Runs until stopped, as `sentiment-consumer run` does."""
    settings = consumer_settings.load({})
    configure_logs(settings.log_level)
    if mutant := os.environ.get("CHAOS_MUTANT"):
        import_module(f"tests.chaos.mutants.{mutant}").apply()
    stop = threading.Event()
    stop_on_signals(stop)
    if milliseconds := os.environ.get("CHAOS_TRANSACTION_TIMEOUT_MS"):
        replace(transactions, "TRANSACTION_TIMEOUT_MS", int(milliseconds))
    if seconds := os.environ.get("CHAOS_STALL_S"):
        limits = settings.limits.model_copy(update={"stall_timeout_s": float(seconds)})
        settings = settings.model_copy(update={"limits": limits})
    if spec := os.environ.get("CHAOS_FAILPOINT"):
        failpoints.install(spec)
    if seconds := os.environ.get("CHAOS_STRETCH_S"):
        failpoints.stretch(float(seconds))
    if megabytes := os.environ.get("CHAOS_MEMORY_MB"):
        threading.Thread(target=_die_above, args=(int(megabytes),), name="memory", daemon=True).start()
    artifact = open_artifact(settings.model_folder)
    preflight = Preflight(settings)
    partitions = preflight.partitions()
    scorer = _scorer(artifact)
    scoring = Scheduler(scorer, window=settings.limits.batch_records)
    consume(
        settings,
        partitions=partitions,
        scoring=scoring,
        model_version=scorer.model.version,
        stop=stop,
        targets=preflight.targets(),
    )


def _scorer(artifact: Artifact) -> Scorer:
    if os.environ.get("CHAOS_REAL"):
        return real_scorer(artifact)
    return OracleScorer(artifact.version, **json.loads(os.environ.get("CHAOS_SCORER", "{}")))


def _die_above(megabytes: int) -> None:
    """Ends the process as the kernel ends one that exceeds its container's memory limit."""
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    while int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * page_bytes < megabytes * 2**20:
        time.sleep(LOOK_S)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    exit_with(main, end_process)
