"""The rated tweets that were published with VADER.

This repository contains no data set, only its location and its SHA-256.
"""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from shared.errors import InputDataError
from trainer.data.examples import SENTIMENTS, DataReport, Examples
from trainer.data.packages import Package, fetch_package

if TYPE_CHECKING:
    from pathlib import Path

VADER_THRESHOLD: Final = 0.5
"""A mean rating (scale -4 to 4, 20 raters) this far from zero, or further, counts as a sentiment.

It gives 1,087 negative, 768 neutral and 2,345 positive tweets; 1.0 would make 1,533 of them neutral.
"""
_VADER_ARCHIVE: Final = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
_VADER_TWEETS: Final = "hutto_ICWSM_2014/tweets_GroundTruth.txt"


@dataclass(frozen=True, slots=True)
class VaderTweets:
    """The tweets in a release of VADER on the package index."""

    package: Package
    name: str = "vader-tweets"
    about: str = "4,200 tweets rated by 20 people each (Hutto & Gilbert 2014); negative, neutral, positive"

    def load(self, cache_dir: Path) -> Examples:
        """Downloads (or takes from the cache), verifies and reads the release; raises InputDataError."""
        return read_vader_tweets(fetch_package(self.package, cache_dir), self.name)


VADER_TWEETS: Final = VaderTweets(
    Package(
        name="vaderSentiment",
        version="3.3.2",
        file="vaderSentiment-3.3.2.tar.gz",
        sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    )
)


def read_vader_tweets(distribution: Path, source: str) -> Examples:
    """Reads the rated tweets out of the source distribution, in memory: no member is unpacked to disk."""
    archive = _member(distribution.read_bytes(), _VADER_ARCHIVE)
    lines = _member(archive, _VADER_TWEETS).decode("utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    ratings = np.array([float(rating) for _, rating, _ in rows])
    polarity = np.sign(ratings) * (np.abs(ratings) >= VADER_THRESHOLD)  # -1, 0, 1
    return Examples(
        texts=tuple(text for _, _, text in rows),
        labels=(polarity + 1).astype(np.int64),
        label_names=SENTIMENTS,
        ids=tuple(f"{source}-{number}" for number, _, _ in rows),
        source=source,
        report=DataReport(rows=len(rows)),
    )


def _member(archive: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        file = tar.extractfile(name)
        if file is None:
            raise InputDataError(f"{name} is not a file in the archive")
        return file.read()
