"""Scores labelled texts through `shared.inference`: metrics and temperature are those of the serving code."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import TYPE_CHECKING

import numpy as np
import structlog

from shared.inference.engines.select import load_scorer
from shared.inference.postprocessing import Postprocessing
from shared.inference.scheduler import Scheduler
from shared.inference.types import Score, Unscorable
from trainer.models.ensemble.folder import load_ensemble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shared.inference.engines.select import Precision
    from shared.inference.types import Scorer
    from shared.model_folder.artifact import Artifact
    from shared.model_folder.manifest import Manifest
    from trainer.data.examples import IntArray
    from trainer.models.ensemble.folder import Ensemble
    from trainer.models.transformer.predict import FloatArray

log = structlog.get_logger()

CLOSE_S = 10.0


@dataclass(frozen=True, slots=True)
class Served:
    """The answers of an engine."""

    rows: IntArray
    """`[scored]`, the indices of the texts that have a score."""
    probabilities: FloatArray
    """`[scored, labels]`, as the consumer gets them before it rounds."""
    labels: IntArray
    """`[scored]`, as the scorer decided."""
    logits: FloatArray
    """`[scored, labels]`, before calibration."""
    engine: str
    """Library, precision and batching."""
    tokens: IntArray
    """`[scored]`; words of a model of words; of an ensemble those of its first member."""
    unknown_shares: FloatArray
    """`[scored]`, of the tokens."""

    def only(self, rows: IntArray) -> Served:
        """The answers to some of `rows`, which are in order."""
        kept = np.isin(self.rows, rows)
        columns = ("rows", "probabilities", "labels", "logits", "tokens", "unknown_shares")
        return replace(self, **{name: getattr(self, name)[kept] for name in columns})


def serve(artifact: Artifact, texts: Sequence[str], *, device: str, precision: Precision) -> Served:
    """Scores texts with a sealed model; leaves out texts without a score, with a warning that counts them.

    Raises what `scoring` raises, and ScorerError.
    """
    with scoring(artifact, device=device, precision=precision) as score:
        return score(texts)


@contextmanager
def scoring(
    artifact: Artifact, *, device: str, precision: Precision
) -> Iterator[Callable[[Sequence[str]], Served]]:
    """Loads a sealed model for any number of calls, each of which scores as `serve` does.

    Raises what `load_scorer` raises. Of an ensemble, which no consumer serves, all members are loaded.
    """
    if artifact.manifest.kind == "ensemble":
        ensemble = load_ensemble(artifact)
        with scoring_members(ensemble, device=device, precision=precision) as answers:
            yield lambda texts: _join(ensemble, artifact.manifest, answers(texts))
        return
    scorer = load_scorer(artifact, device, precision)
    scheduler = Scheduler(scorer)
    try:
        yield partial(_score, scheduler, scorer, artifact.manifest)
    finally:
        scheduler.close(CLOSE_S)


@contextmanager
def scoring_members(
    ensemble: Ensemble, *, device: str, precision: Precision
) -> Iterator[Callable[[Sequence[str]], list[Served]]]:
    """Loads all members; each call gives the answers of each to the texts that every member scores."""

    def answers(texts: Sequence[str]) -> list[Served]:
        found = [score(texts) for score in scores]
        rows = reduce(np.intersect1d, (one.rows for one in found))
        return [one.only(rows) for one in found]

    with ExitStack() as loaded:
        scores = []
        for member in ensemble.members:
            if member.manifest.reads_words:  # it has one device and precision, and refuses any
                model = scoring(member, device="auto", precision="auto")
            else:
                model = scoring(member, device=device, precision=precision)
            scores.append(loaded.enter_context(model))
        yield answers


def _join(ensemble: Ensemble, manifest: Manifest, answers: Sequence[Served]) -> Served:
    logits = ensemble.logits([one.probabilities for one in answers])
    calibration = Postprocessing.of(manifest)
    probabilities = calibration.probabilities(logits)
    return replace(
        answers[0],
        probabilities=probabilities,
        labels=calibration.decide(probabilities),
        logits=logits,
        engine=f"{manifest.base.name}: {', '.join(dict.fromkeys(one.engine for one in answers))}",
    )


def _score(scheduler: Scheduler, scorer: Scorer, manifest: Manifest, texts: Sequence[str]) -> Served:
    answers = scheduler.score(texts)
    rows = [row for row, answer in enumerate(answers) if isinstance(answer, Score)]
    if len(rows) < len(answers):
        reasons = {answer.reason for answer in answers if isinstance(answer, Unscorable)}
        log.warning("texts_without_a_score", texts=len(answers) - len(rows), reasons=sorted(reasons))
    found = [answer for answer in answers if isinstance(answer, Score)]
    probabilities = np.array([score.probabilities for score in found], np.float64).reshape(
        len(rows), len(scorer.model.labels)
    )
    return Served(
        rows=np.array(rows, np.int64),
        probabilities=probabilities,
        labels=np.array([score.label for score in found], np.int64),
        # Up to a constant per row, which no metric depends on.
        logits=Postprocessing.of(manifest).logits_of(probabilities),
        engine=scorer.describe()["engine"],
        tokens=np.array([score.tokens for score in found], np.int64),
        unknown_shares=np.array([score.unknown_share for score in found], np.float64),
    )
