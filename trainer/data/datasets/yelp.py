"""Reviews of Yelp: the open data set that Yelp gives out, and the two sets made of it by Zhang et al. 2015."""

from __future__ import annotations

from typing import Final

from trainer.data.datasets.published import TEST, TRAIN, HubCopy, PublishedDataset
from trainer.data.datasets.reviews import POLARITY, STARS, csv_reader, json_reader
from trainer.data.readers import ColumnNames
from trainer.data.tables import ReadOptions

_JSON: Final = ColumnNames(
    text="text",
    label="stars",
    id="review_id",
    time="date",
    options=ReadOptions(data_format="json", encoding="utf-8"),
)
_SPLITS: Final = {TRAIN: "train", TEST: "test"}

YELP_REVIEWS: Final = PublishedDataset(
    name="yelp-reviews",
    about="about 7 million reviews with 1 to 5 stars (Yelp Open Dataset); negative, neutral, positive",
    files="yelp_academic_dataset_review.json, or the archive with it",
    label_map=STARS,
    read=json_reader(_JSON, "yelp_academic_dataset_review.json"),
)

YELP_POLARITY: Final = PublishedDataset(
    name="yelp-polarity",
    about="598,000 reviews without those of 3 stars (Zhang et al. 2015); negative, positive",
    files="yelp_review_polarity_csv.tgz, or the folder in it",
    label_map=POLARITY,
    read=csv_reader("class", "text"),
    hub=HubCopy("fancyzhx/yelp_polarity", _SPLITS, "0=negative,1=positive"),
)

YELP_FULL: Final = PublishedDataset(
    name="yelp-full",
    about="700,000 reviews, as many of each number of stars (Zhang et al. 2015); negative, neutral, positive",
    files="yelp_review_full_csv.tgz, or the folder in it",
    label_map=STARS,
    read=csv_reader("class", "text"),
    # On the hub the labels are numbers from 0, for 1 star.
    hub=HubCopy("Yelp/yelp_review_full", _SPLITS, "0-1=negative,2=neutral,3-4=positive"),
)
