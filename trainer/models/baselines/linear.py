"""From what scikit-learn fits to the one form in which all baselines are kept: features times coefficients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sklearn.linear_model import LogisticRegression

from shared.inference.linear.model import Linear

if TYPE_CHECKING:
    from shared.inference.linear.features import Features, Vocabulary
    from trainer.models.baselines.recipes import Task
    from trainer.models.transformer.predict import FloatArray

INVERSE_REGULARISATION: Final = 10.0
MAX_ITERATIONS: Final = 1_000


def over_margins(margins: Linear, task: Task) -> Linear:
    """A softmax over the margins of machines, fitted on held-out rows; for two labels this is Platt's sigmoid.

    Machines of one label against the others have scales and offsets of their own, so the largest margin need not
    be the likeliest label: with NBSVM macro-recall on TweetEval was .494 by the largest. The result is linear in
    the features again. Without held-out rows of every label the margins stay as they are.
    """
    if task.held_out is None or len(np.unique(task.held_out[1])) <= task.labels.max():
        return margins
    texts, labels = task.held_out
    outputs = margins.logits(texts)
    top = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=MAX_ITERATIONS)
    top.fit(outputs[:, 1:] if len(margins.intercepts) == 1 else outputs, labels)
    return linear(
        margins.features,
        margins.vocabulary,
        top.coef_ @ margins.coefficients.T,
        top.coef_ @ margins.intercepts + top.intercept_,
        idf=margins.idf,
    )


def linear(
    features: Features,
    vocabulary: Vocabulary,
    coefficients: Any,
    intercepts: Any,
    *,
    idf: FloatArray | None = None,
) -> Linear:
    """The form with `coefficients [outputs, features]`, as scikit-learn has them, rounded to what is saved."""
    # In rows: safetensors writes the memory of an array and ignores that it is transposed.
    kept = np.ascontiguousarray(np.asarray(coefficients, np.float32).T, np.float64)
    return Linear(features, vocabulary, kept, np.asarray(intercepts, np.float32).astype(np.float64), idf)
