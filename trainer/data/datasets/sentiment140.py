"""Sentiment140: 1,600,000 tweets labelled by their emoticons, and 498 labelled by people (Go et al. 2009).

Two CSV files in ISO 8859-1 without a header: polarity (0, 2 or 4), id, date, query, user, text.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.data.datasets.published import TEST, TRAIN, HubCopy, PublishedDataset, kept, reader_of_files
from trainer.data.readers import ColumnNames
from trainer.data.tables import ReadOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainer.data.examples import Examples

NAMES: Final = {TRAIN: "training.1600000.processed.noemoticon.csv", TEST: "testdata.manual.2009.06.14.csv"}
"""In trainingandtestdata.zip."""

# The emoticons that gave the labels, by the list of the paper. The published texts are without most of them; the
# rest would show a model the answer. `: )` only where it is no colon of a sentence: "note: (see below)".
EMOTICON: Final = re.compile(r":-?[)(]|:-?D(?!\w)|(?<!\w): [)(]|=\)")

_OPTIONS: Final = ReadOptions(
    data_format="csv",
    encoding="latin-1",
    delimiter=",",
    quote='"',
    header="no",
    columns=("polarity", "id", "date", "query", "user", "text"),
)
_COLUMNS: Final = ColumnNames(text="text", label="polarity", id="id", time="date", options=_OPTIONS)
_MAP: Final = "0=negative,2=neutral,4=positive"
_UNTRAINED: Final = "of the test part, with a label that the training part does not have"
_NO_TEXT: Final = "without a text once its emoticons are removed"


def without_emoticons(text: str) -> str:
    """The text without the emoticons that gave its label."""
    while (shorter := EMOTICON.sub(" ", text)) != text:  # the ends of a removed one may make another
        text = shorter
    return text


def fit_to_train(parts: Mapping[str, Examples], keep_emoticons: bool) -> dict[str, Examples]:
    """Training texts without emoticons, unless they are kept, and a test part with the labels of training.

    Only people label tweets neutral; the authors evaluate without these as well.
    """
    found = dict(parts)
    if TRAIN not in found:
        return found
    if not keep_emoticons:
        texts = tuple(map(without_emoticons, found[TRAIN].texts))
        found[TRAIN] = kept(
            replace(found[TRAIN], texts=texts), np.array([not _is_blank(text) for text in texts]), _NO_TEXT
        )
    if TEST in found:
        trained = set(found[TRAIN].label_names)
        is_trained = np.array([name in trained for name in found[TEST].label_names])
        found[TEST] = kept(found[TEST], is_trained[found[TEST].labels], _UNTRAINED)
    return found


def _is_blank(text: str) -> bool:
    return not text or text.isspace()


SENTIMENT140: Final = PublishedDataset(
    name="sentiment140",
    about="1,600,000 tweets labelled by their emoticons and 498 labelled by people (Go et al. 2009); "
    "negative, positive",
    files="trainingandtestdata.zip, or a folder with training.1600000.processed.noemoticon.csv",
    label_map=_MAP,
    read=reader_of_files(NAMES, _COLUMNS),
    hub=HubCopy(
        "stanfordnlp/sentiment140",
        {TRAIN: "train", TEST: "test"},
        _MAP,
        # The hub keeps a copy as Parquet of what a script made; no script is run.
        ColumnNames(text="text", label="sentiment", time="date"),
        revision="refs/convert/parquet",
    ),
    drops_emoticons=True,
    after=fit_to_train,
)
