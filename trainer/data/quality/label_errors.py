"""Labels worth a look, by confident learning (cleanlab) over a logistic regression of word counts.

The probabilities are out of fold: the model that judges a row has seen neither it nor a copy of its text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from shared.text import normalise
from trainer.data.quality.findings import LabelError, LabelErrors
from trainer.data.quality.sampling import Limit, draw, row_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from trainer.data.examples import Examples, IntArray

# Measured on two busy cores: 100,000 tweets of 13 words 28 s, 7,800 reviews of 230 words (10M characters) 21 s.
LABEL_ERRORS_LIMIT: Final = Limit(rows=100_000, chars=20_000_000)
MAX_LISTED: Final = 1_000
FOLDS: Final = 5
MIN_ROWS: Final = 100
"""With fewer rows a model of word counts knows too little to doubt a label."""
MIN_LABEL_ROWS: Final = 2 * FOLDS
"""Rows of a label, with different texts; a label with fewer is not judged."""


def find_label_errors(examples: Examples, exact: IntArray, seed: int, *, show_texts: bool) -> LabelErrors:
    """`exact` has the group of rows with one text of each row."""
    sample = draw(examples, LABEL_ERRORS_LIMIT, seed)
    unique = np.unique(exact[sample.rows], return_index=True)[1]
    texts = np.bincount(examples.labels[sample.rows[unique]], minlength=len(examples.label_names))
    judged = np.flatnonzero(texts >= MIN_LABEL_ROWS)
    unchecked = tuple(name for label, name in enumerate(examples.label_names) if label not in judged)
    rows = sample.rows[np.isin(examples.labels[sample.rows], judged)]
    if len(judged) < 2 or len(rows) < MIN_ROWS:  # noqa: PLR2004 - two labels
        why = f"fewer than {MIN_ROWS} rows, or than 2 labels with {MIN_LABEL_ROWS} texts"
        return LabelErrors(skipped=why, unchecked_labels=unchecked, scope=sample.scope)
    labels = np.searchsorted(judged, examples.labels[rows])
    probabilities = out_of_fold([examples.texts[row] for row in rows], labels, exact[rows], seed)
    if probabilities is None:
        why = "no word is in two texts"
        return LabelErrors(skipped=why, unchecked_labels=unchecked, scope=sample.scope)
    from cleanlab.filter import find_label_issues  # noqa: PLC0415 - takes 4 s to import

    ranked = find_label_issues(labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    return LabelErrors(
        rows=len(ranked),
        listed=tuple(
            LabelError(
                row=row_of(examples, int(rows[one]), show_texts=show_texts),
                suggested=examples.label_names[judged[probabilities[one].argmax()]],
                confidence=float(probabilities[one, labels[one]]),
            )
            for one in ranked[:MAX_LISTED]
        ),
        unchecked_labels=unchecked,
        scope=sample.scope,
    )


def out_of_fold(texts: list[str], labels: IntArray, groups: IntArray, seed: int) -> npt.NDArray[np.float64] | None:
    """Probabilities `[rows, labels]`; rows of one group are in one fold. None if no word is in two texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415 - takes seconds to import
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415

    # Inverse document frequencies of all rows: they know no label, and fitting them once saves four fifths.
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2, max_features=100_000)
    try:
        matrix = words.fit_transform([normalise(text) for text in texts])
    except ValueError:  # raised for an empty vocabulary, and for nothing else in a list of strings
        return None
    _, first, group_of = np.unique(groups, return_index=True, return_inverse=True)
    probabilities = np.zeros((len(texts), int(labels.max()) + 1))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for _, judged in folds.split(first, labels[first]):
        out = np.isin(group_of, judged)
        model = LogisticRegression(C=3.0, solver="saga", tol=1e-2, max_iter=100, random_state=seed)
        probabilities[out] = model.fit(matrix[~out], labels[~out]).predict_proba(matrix[out])
    return probabilities
