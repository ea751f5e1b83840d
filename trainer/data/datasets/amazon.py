"""Reviews of Amazon: those of 2023 by category (Hou et al. 2024), and two older sets by Zhang et al. 2015."""

from __future__ import annotations

from typing import Final

from trainer.data.datasets.published import TEST, TRAIN, HubCopy, PublishedDataset
from trainer.data.datasets.reviews import POLARITY, STARS, csv_reader, json_reader
from trainer.data.readers import ColumnNames
from trainer.data.tables import ReadOptions

_JSON: Final = ColumnNames(
    text="title + text",
    label="rating",
    time="timestamp",
    options=ReadOptions(data_format="json", encoding="utf-8"),
)

AMAZON_REVIEWS: Final = PublishedDataset(
    name="amazon-reviews",
    about="reviews of one category with 1 to 5 stars (Amazon Reviews 2023); negative, neutral, positive",
    files="a category such as All_Beauty.jsonl or All_Beauty.jsonl.gz",
    label_map=STARS,
    read=json_reader(_JSON, "All_Beauty.jsonl"),
)

AMAZON_POLARITY: Final = PublishedDataset(
    name="amazon-polarity",
    about="4,000,000 reviews without those of 3 stars (Zhang et al. 2015); negative, positive",
    files="amazon_review_polarity_csv.tar.gz, or the folder in it",
    label_map=POLARITY,
    read=csv_reader("class", "title", "text"),
    hub=HubCopy(
        "fancyzhx/amazon_polarity",
        {TRAIN: "train", TEST: "test"},
        "0=negative,1=positive",
        ColumnNames(text="title + content"),
    ),
)

AMAZON_FULL: Final = PublishedDataset(
    name="amazon-full",
    about="3,650,000 reviews, as many of each number of stars (Zhang et al. 2015); negative, neutral, positive",
    files="amazon_review_full_csv.tar.gz, or the folder in it",
    label_map=STARS,
    read=csv_reader("class", "title", "text"),
)
