"""Bins, curves, slices and errors agree with scikit-learn and with the rows that they are made of."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from shared.inference.postprocessing import softmax
from trainer.data.examples import Examples
from trainer.evaluation.diagnostics.curves import POINTS, confidence_bins, label_curves
from trainer.evaluation.diagnostics.diagnose import diagnose
from trainer.evaluation.diagnostics.errors import SHOWN, suspects
from trainer.evaluation.diagnostics.slices import slices
from trainer.evaluation.diagnostics.stored import Diagnostics
from trainer.evaluation.postprocessing.calibration import ece

if TYPE_CHECKING:
    from trainer.data.examples import IntArray
    from trainer.models.transformer.predict import FloatArray

seeds = st.integers(0, 2**32 - 1)


def drawn(seed: int, rows: int = 300, labels: int = 3) -> tuple[FloatArray, IntArray]:
    """Probabilities and true labels of a model that is right more often than not."""
    chance = np.random.default_rng(seed)
    gold = chance.integers(0, labels, rows)
    return softmax(chance.normal(size=(rows, labels)) + 1.5 * np.eye(labels)[gold]), gold


def examples(gold: IntArray, texts: list[str] | None = None) -> Examples:
    """Rows with these labels."""
    count = len(gold)
    names = tuple(f"label {index}" for index in range(int(gold.max()) + 1))
    return Examples(tuple(texts or ["a text"] * count), gold, names, tuple(map(str, range(count))), "made up")


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_the_bins_have_all_rows_and_give_the_ece(seed: int) -> None:
    """The diagram and the figure next to it are of the same bins, but for rounding."""
    probabilities, gold = drawn(seed)
    found = confidence_bins(probabilities, probabilities.argmax(axis=1), gold)
    assert sum(one.rows for one in found) == len(gold)
    gap = sum(one.rows * abs(one.predicted - one.observed) for one in found) / len(gold)
    assert gap == pytest.approx(ece(probabilities, gold), abs=2e-4)


@settings(max_examples=15, deadline=None)
@given(seeds, st.integers(2, 3_000))
def test_a_thinned_curve_keeps_its_ends_and_its_area(seed: int, rows: int) -> None:
    """At most 200 points, and the area under them is that of scikit-learn within 0.005."""
    probabilities, gold = drawn(seed, rows, labels=2)
    for index, one in enumerate(label_curves(probabilities, gold, ("a", "b")).values()):
        if not one.roc:
            assert one.average_precision is None
            continue
        assert (one.roc[0], one.roc[-1]) == ((0, 0), (1, 1))
        assert len(one.roc) <= POINTS
        x, y = np.array(one.roc).T
        assert np.trapezoid(y, x) == pytest.approx(
            roc_auc_score(gold == index, probabilities[:, index]), abs=0.005
        )


def test_each_kind_of_slice_has_every_row_once() -> None:
    """Lengths and times have all rows; rare scripts are joined."""
    texts = ["kurz", "日本語のテキスト", "привет " * 40, "x" * 3_000, "12345"] * 20 + ["γειά"]
    gold = np.zeros(len(texts), np.int64)
    rows = Examples(
        tuple(texts), gold, ("a", "b"), tuple(texts), "s", created_at=np.arange(len(texts)) * 86_400_000
    )
    found = slices(rows, gold, np.full(len(texts), 0.9))
    for kind in ("length", "script", "time"):
        assert sum(one.rows for one in found if one.property == kind) == len(texts)
    scripts = {one.name: one.rows for one in found if one.property == "script"}
    assert scripts == {"Latin": 40, "Cyrillic": 20, "Katakana": 20, "no letters": 20, "other": 1}
    assert next(one.name for one in found if one.property == "time").startswith("1970-01-01 to ")


def test_a_wrong_label_is_suspected_first() -> None:
    """A row with a confident answer and another label is, and one with an uncertain answer is not."""
    gold = np.array([0] * 20 + [1] * 20)
    probabilities = np.where(gold[:, None] == [[0, 1]], 0.9, 0.1)
    probabilities[3] = [0.01, 0.99]
    probabilities[25] = [0.55, 0.45]
    assert suspects(probabilities, probabilities.argmax(axis=1), gold).tolist() == [3]


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_diagnostics_are_bounded_have_no_texts_and_survive_json(seed: int) -> None:
    """At most 25 rows of each list; the ids are there, the texts are not."""
    probabilities, gold = drawn(seed)
    rows = examples(gold, ["secret text"] * len(gold))
    found = diagnose(rows, probabilities, probabilities, probabilities.argmax(axis=1))
    text = found.model_dump_json()
    assert "secret" not in text
    assert Diagnostics.model_validate(json.loads(text)) == found
    assert len(found.worst) <= SHOWN
    assert found.errors == int((probabilities.argmax(axis=1) != gold).sum())
    given = [one.given_probability for one in found.worst]
    assert given == sorted(given)


def test_slices_by_source_are_there_if_there_are_several() -> None:
    """Sources with fewer than ten rows are joined; one source for all rows is no slice."""
    gold = np.arange(60) % 2
    rows = replace(examples(gold), sources=("shop",) * 30 + ("forum",) * 20 + tuple("abcdefghij"))
    found = [one for one in slices(rows, gold, np.full(60, 0.9)) if one.property == "source"]
    assert [(one.name, one.rows) for one in found] == [("shop", 30), ("forum", 20), ("other", 10)]
    same = slices(replace(rows, sources=("shop",) * 60), gold, np.full(60, 0.9))
    assert not [one for one in same if one.property == "source"]
