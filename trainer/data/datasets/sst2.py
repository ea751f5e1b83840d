"""SST-2 as in GLUE: 67,349 phrases for training and 872 sentences for validation (Socher et al. 2013).

Published as train.tsv, dev.tsv and test.tsv with a header; the labels of the test part were never published.
"""

from __future__ import annotations

from typing import Final

from trainer.data.datasets.published import TRAIN, VALIDATION, HubCopy, PublishedDataset, reader_of_files
from trainer.data.readers import ColumnNames
from trainer.data.tables import ReadOptions

NAMES: Final = {TRAIN: "train.tsv", VALIDATION: "dev.tsv"}
# A quote in these files is a character like any other.
_OPTIONS: Final = ReadOptions(data_format="csv", encoding="utf-8", delimiter="\t", quote="", header="yes")
_COLUMNS: Final = ColumnNames(text="sentence", label="label", options=_OPTIONS)
_MAP: Final = "0=negative,1=positive"


SST2: Final = PublishedDataset(
    name="sst2",
    about="67,349 phrases and 872 sentences of film reviews (Socher et al. 2013, GLUE); negative, positive",
    files="SST-2.zip of GLUE, or a folder with train.tsv and dev.tsv",
    label_map=_MAP,
    read=reader_of_files(NAMES, _COLUMNS),
    hub=HubCopy(
        "stanfordnlp/sst2",
        {TRAIN: "train", VALIDATION: "validation"},
        _MAP,
        ColumnNames(text="sentence", id="idx"),
    ),
)
