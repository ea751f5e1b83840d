"""The suite on whole models: figures, left out cases, examples, tables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from rich.table import Table

from shared.model_folder.artifact import open_artifact
from tests.support.tiny import tiny_model
from trainer.data.labels.polarity import polarity_of
from trainer.evaluation.behaviour import measure
from trainer.evaluation.behaviour.cases import NAMES
from trainer.evaluation.behaviour.measure import measure_behaviour
from trainer.evaluation.behaviour.results import EXAMPLES, interval
from trainer.evaluation.behaviour.suite import sentences, suite
from trainer.evaluation.behaviour.tables import behaviour_section, behaviour_table
from trainer.evaluation.serving import Served

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from shared.model_folder.artifact import Artifact
    from trainer.data.examples import IntArray
    from trainer.models.transformer.predict import FloatArray

RIGHT = {case[0]: max(test.expected) for one in suite() for test in one.tests if test.kind == "MFT"
         for case in test.cases}  # fmt: skip


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Artifact]:
    """Models of given labels."""
    folder = tmp_path_factory.mktemp("models")
    made: dict[tuple[str, ...], Path] = {}

    def of(*labels: str) -> Artifact:
        if labels not in made:
            made[labels] = tiny_model(folder / "-".join(labels), labels)
        artifact = open_artifact(made[labels])
        polarity = polarity_of(labels, None)
        return replace(artifact, manifest=artifact.manifest.model_copy(update={"polarity": polarity}))

    return of


def served(rows: IntArray, probabilities: FloatArray) -> Served:
    """Answers whose label is the one with the largest probability."""
    labels, logits = probabilities.argmax(axis=1), np.log(probabilities + 1e-9)
    return Served(rows, probabilities, labels, logits, "an engine", np.ones_like(rows), np.zeros(len(rows)))


def answer_with(monkeypatch: pytest.MonkeyPatch, polarity: Callable[[str], int], labels: Sequence[int]) -> None:
    """Replaces the model: it is sure that a text has this polarity."""

    def serve(_artifact: object, texts: Sequence[str], **_options: object) -> Served:
        probabilities = np.array([[float(polarity(text) == label) for label in labels] for text in texts])
        return served(np.arange(len(texts)), probabilities)

    monkeypatch.setattr(measure, "serve", serve)


def test_a_perfect_model_has_no_failure(
    artifacts: Callable[..., Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all capabilities; the table has a line for each."""
    answer_with(monkeypatch, lambda text: RIGHT.get(text, 0), (-1, 0, 1))
    found = measure_behaviour(artifacts("negative", "neutral", "positive"), device="cpu", precision="fp32")
    assert tuple(found.capabilities) == NAMES
    assert all(one.failures == 0 and not one.left_out for one in found.capabilities.values())
    assert found.sentences == len(sentences())
    table = behaviour_table(found)
    assert isinstance(table, Table)
    assert table.row_count == len(NAMES)
    assert "for example" not in behaviour_section(found)


def test_a_model_that_always_says_positive_fails_where_it_must(
    artifacts: Callable[..., Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It passes every INV and DIR, and fails each MFT that another label is right for, with examples."""
    answer_with(monkeypatch, lambda _: 1, (-1, 0, 1))
    found = measure_behaviour(artifacts("negative", "neutral", "positive"), device="cpu", precision="fp32")
    for capability in suite():
        for test in capability.tests:
            result = found.capabilities[capability.name].tests[test.name]
            fails = test.kind == "MFT" and 1 not in test.expected
            assert result.failure_rate == float(fails)
            assert len(result.examples) == (EXAMPLES if fails else 0)
    assert found.capabilities["temporal"].failure_rate == 0.5
    section = behaviour_section(found)
    assert "| temporal | 50.0% |" in section
    assert "`positive`" in section


def test_a_model_without_a_neutral_label_is_not_asked_for_one(
    artifacts: Callable[..., Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cases are counted, and the card says why they are left out."""
    answer_with(monkeypatch, lambda text: RIGHT.get(text, 1), (-1, 1))
    found = measure_behaviour(artifacts("negative", "positive"), device="cpu", precision="fp32")
    vocabulary = found.capabilities["vocabulary"]
    assert vocabulary.failures == 0
    assert vocabulary.left_out == {"the model has no neutral label": 100}
    assert "neutral words" not in vocabulary.tests
    assert "(the model has no neutral label)" in behaviour_section(found)


def test_other_labels_are_not_tested_and_that_is_said(artifacts: Callable[..., Artifact]) -> None:
    """No model is loaded."""
    found = measure_behaviour(artifacts("anger", "joy"), device="cpu", precision="fp32")
    assert not found.capabilities
    assert found.skipped is not None
    assert "'anger', 'joy' are not known to be negative, positive" in found.skipped
    assert found.skipped in behaviour_section(found)
    assert behaviour_table(found) == f"The behaviour suite was not run: {found.skipped}"


def test_a_text_without_a_score_leaves_its_case_out(
    artifacts: Callable[..., Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is counted, and is neither a failure nor a success."""

    def serve(_artifact: object, texts: Sequence[str], **_options: object) -> Served:
        rows = np.arange(1, len(texts))  # the first text has none
        probabilities = np.tile([0.0, 0.0, 1.0], (len(rows), 1))
        return served(rows, probabilities)

    monkeypatch.setattr(measure, "serve", serve)
    found = measure_behaviour(artifacts("negative", "neutral", "positive"), device="cpu", precision="fp32")
    assert found.capabilities["vocabulary"].left_out == {"a text without a score": 1}
    assert found.capabilities["vocabulary"].tests["positive words"].cases == 99


def test_the_interval_is_right_without_a_failure() -> None:
    """Wilson: 0 of 100 is 0 to 3.7 %, and 80 of 100 is 71.1 to 86.7 %."""
    assert interval(0, 100) == pytest.approx((0.0, 0.0370), abs=1e-4)
    assert interval(80, 100) == pytest.approx((0.7112, 0.8666), abs=1e-4)


@pytest.mark.slow
def test_the_suite_runs_through_the_serving_code(artifacts: Callable[..., Artifact]) -> None:
    """On a model with random weights, twice with the same result."""
    first, second = (
        measure_behaviour(artifacts("negative", "neutral", "positive"), device="cpu", precision="fp32")
        for _ in range(2)
    )
    assert first == second
    assert "fp32" in first.engine
    assert sum(one.failures for one in first.capabilities.values())
