"""From logits to probabilities and labels, as a manifest says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.inference.engines.select import load_scorer
from shared.inference.postprocessing import Postprocessing
from shared.inference.scheduler import Scheduler
from shared.inference.types import Score
from shared.model_folder.artifact import open_artifact, read_manifest, seal
from shared.model_folder.manifest import Decision
from tests.support.tiny import tiny_model
from trainer.evaluation.serving import serve

if TYPE_CHECKING:
    from pathlib import Path

LOGITS = st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=1, max_size=5)


@given(
    logits=LOGITS,
    temperature=st.floats(0.1, 10),
    bias=st.lists(st.floats(-20, 20), min_size=3, max_size=3),
    weights=st.lists(st.floats(0.01, 100), min_size=3, max_size=3),
)
def test_probabilities_sum_to_one_whatever_the_manifest_says(
    logits: list[list[float]], temperature: float, bias: list[float], weights: list[float]
) -> None:
    """Given any logits and numbers, in both precisions, then rows sum to 1 and weights change no probability."""
    post = Postprocessing(temperature, np.array(bias), np.array(weights))
    exact = np.array(logits)
    found, rounded = post.probabilities(exact), post.probabilities(exact.astype(np.float32))
    assert str(rounded.dtype) == "float32"
    assert found.sum(axis=1) == pytest.approx(np.ones(len(logits)), abs=1e-12)
    assert rounded.sum(axis=1) == pytest.approx(np.ones(len(logits)), abs=1e-5)
    assert (found == Postprocessing(temperature, np.array(bias)).probabilities(exact)).all()


def test_by_hand() -> None:
    """Odds of 4 to 1, halved logits give 2 to 1, a bias of log 3 gives 2 to 3, a weight of 2 turns the label."""
    post = Postprocessing(2.0, np.array([0.0, np.log(3)]), np.array([2.0, 1.0]))
    probabilities = post.probabilities(np.log([[4.0, 1.0]]))
    assert probabilities == pytest.approx(np.array([[0.4, 0.6]]))
    assert post.decide(probabilities).tolist() == [0]
    assert Postprocessing().decide(probabilities).tolist() == [1]


def test_scorer_and_trainer_decide_alike(tmp_path: Path) -> None:
    """Given a sealed bias, weights and threshold, when texts are scored, then score, label and figures agree."""
    folder = tiny_model(tmp_path / "model")
    texts = [f"{word} number {number}" for word in ("good", "bad", "so so") for number in range(20)]
    plain = serve(open_artifact(folder), texts, device="cpu", precision="fp32")
    update = {
        "bias": (0.5, -0.25, -0.25),
        "decision": Decision(rule="macro-recall", weights=tuple(1 / plain.probabilities.mean(axis=0))),
        "uncertain_below": 0.4,
    }
    artifact = seal(folder, read_manifest(folder).model_copy(update=update))
    scorer = load_scorer(artifact, "cpu", "fp32")
    scores = [score for score in Scheduler(scorer).score(texts) if isinstance(score, Score)]
    served = serve(artifact, texts, device="cpu", precision="fp32")
    post = Postprocessing.of(artifact.manifest)

    assert scorer.model.uncertain_below == 0.4
    assert served.labels.tolist() == [score.label for score in scores]
    assert served.labels.tolist() == post.decide(served.probabilities).tolist()
    assert served.probabilities == pytest.approx(post.probabilities(plain.logits), abs=1e-5)
    assert (served.labels != plain.labels).any()
    # The logits of before come back, up to a constant of each row.
    shift = (served.logits - plain.logits) - (served.logits - plain.logits).mean(axis=1, keepdims=True)
    assert np.abs(shift).max() < 1e-4
