"""The linear form of each baseline gives the probabilities of the estimator that it was made from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.svm import LinearSVC

from shared.errors import InputDataError
from shared.inference.linear.features import Features
from shared.inference.postprocessing import softmax
from trainer.models.baselines import logreg, nb, nbsvm, svm
from trainer.models.baselines.features import inverse_frequency, learn, weigh
from trainer.models.baselines.nbsvm import log_count_ratios
from trainer.models.baselines.recipes import RECIPES, Task, fit

TELLING = ("bad", "table", "good")


def made_up(labels: int, rows: int = 60) -> Task:
    """Texts with one telling word among others; one in five has the word of another label."""
    chance = np.random.default_rng(0)
    gold = np.arange(rows) % labels
    said = np.where(chance.random(rows) < 0.2, (gold + 1) % labels, gold)
    texts = [f"{TELLING[one]} {' '.join(f'w{n}' for n in chance.integers(0, 30, 5))}" for one in said]
    return Task(texts, gold)


@pytest.mark.parametrize("labels", [2, 3])
def test_naive_bayes_and_logistic_regression_are_those_of_scikit_learn(labels: int) -> None:
    """With two labels one output is enough."""
    task = made_up(labels)
    counts = learn(Features(values="counts", words=2), task.texts)[1]
    expected = MultinomialNB().fit(counts, task.labels).predict_proba(counts)
    assert softmax(nb.fit(task).logits(task.texts)) == pytest.approx(expected, abs=1e-5)

    features = Features(values="tfidf", words=2, min_rows=logreg.MIN_ROWS)
    counts = learn(features, task.texts)[1]
    values = weigh(features, counts, inverse_frequency(counts))
    model = LogisticRegression(C=logreg.INVERSE_REGULARISATION, max_iter=1000).fit(values, task.labels)
    found = logreg.fit(task)
    assert found.coefficients.shape[1] == (1 if labels == 2 else 3)
    assert softmax(found.logits(task.texts)) == pytest.approx(model.predict_proba(values), abs=1e-5)


@pytest.mark.parametrize("labels", [2, 3])
def test_support_vector_machines_answer_as_those_of_scikit_learn(labels: int) -> None:
    """The margins are the logits."""
    task = made_up(labels)
    features = Features(values="tfidf", words=2, min_rows=svm.MIN_ROWS)
    counts = learn(features, task.texts)[1]
    values = weigh(features, counts, inverse_frequency(counts))
    model = LinearSVC(C=svm.PENALTY, random_state=0).fit(values, task.labels)
    found = svm.fit(task).logits(task.texts)
    margins = found[:, 1] if labels == 2 else found
    assert margins == pytest.approx(model.decision_function(values), abs=1e-4)


@pytest.mark.parametrize("labels", [2, 3])
def test_nbsvm_without_weights_of_its_own_is_naive_bayes(labels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an interpolation of 0 all n-grams have the same size, so the ratios alone give the direction."""
    task = made_up(labels)
    features = Features(values="binary", words=2)
    values = weigh(features, learn(features, task.texts)[1])
    monkeypatch.setattr(nbsvm, "INTERPOLATION", 0.0)
    found = nbsvm.fit(task)
    for output, label in enumerate([1] if labels == 2 else range(labels)):
        ratios = log_count_ratios(values, task.labels == label)
        mine = found.coefficients[:, output]
        assert mine / np.linalg.norm(mine) == pytest.approx(ratios / np.linalg.norm(ratios), abs=1e-5)


@pytest.mark.parametrize("labels", [2, 3])
def test_a_softmax_over_margins_is_fitted_on_held_out_rows(labels: int) -> None:
    """It is that of scikit-learn on the margins; rows without one of the labels leave the margins as they are."""
    task = made_up(labels)
    other = made_up(labels, 45)
    held_out = replace(task, held_out=(other.texts, other.labels))
    margins = svm.fit(task).logits(other.texts)
    if labels == 2:
        margins = margins[:, 1:]
    model = LogisticRegression(C=10.0, max_iter=1000).fit(margins, other.labels)
    found = softmax(svm.fit(held_out).logits(other.texts))
    assert found == pytest.approx(model.predict_proba(margins), abs=1e-4)
    few = replace(task, held_out=(other.texts[:1], other.labels[:1]))
    np.testing.assert_array_equal(svm.fit(few).logits(task.texts), svm.fit(task).logits(task.texts))


def test_log_count_ratios_are_those_of_the_paper() -> None:
    """Counted by hand: with one added, "good" is 3 of 7 features of the label and 1 of 5 of the others."""
    features = Features(values="binary", words=1)
    vocabulary, counts = learn(features, ["good film", "good", "bad film"])
    found = log_count_ratios(weigh(features, counts), np.array([True, True, False]))
    expected = {"bad": (1 / 6) / (2 / 5), "film": (2 / 6) / (2 / 5), "good": (3 / 6) / (1 / 5)}
    assert dict(zip(vocabulary.words, np.exp(found), strict=True)) == pytest.approx(expected)


@pytest.mark.parametrize("name", RECIPES)
def test_a_baseline_is_the_same_every_time_and_ignores_unknown_words(name: str) -> None:
    """Two fits give equal numbers; a text of unknown words gets the same answer as another such text."""
    task = made_up(3)
    first, second = (fit(name, task).logits([*task.texts, "unheard", "zzz"]) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first[-1], first[-2])


def test_what_cannot_be_fitted_is_refused_in_one_line() -> None:
    """Without a repeated word there are no vectors, and no n-grams of two texts."""
    with pytest.raises(InputDataError, match="no n-gram occurs in 2 of the training texts"):
        fit("svm", Task(["good", "bad"], np.array([1, 0])))
    with pytest.raises(InputDataError, match="no word occurs 2 times"):
        fit("vectors", Task(["good", "bad"], np.array([1, 0])))
