"""Texts to measure with: real tweets and real reviews, and no text twice.

The tweets are those of `make demo`. The reviews are the customers' reviews in the source distribution of the
tweets, which holds them cut into sentences: they are put together again.
"""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Final

import pyarrow.parquet as pq

from benchmarks.common.measure import ROOT, WORK
from trainer.data.datasets.vader_tweets import VADER_TWEETS
from trainer.data.packages import fetch_package

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TWEETS: Final = ROOT / ".demo/vader-tweets.parquet"
REVIEW_WORDS: Final = 100
"""Shorter reviews are left out."""

_ARCHIVE: Final = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
_REVIEWS: Final = "hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt"


def tweets() -> list[str]:
    """4,200 tweets; FileNotFoundError says how to get them."""
    if not TWEETS.is_file():
        raise FileNotFoundError(f"{TWEETS.relative_to(ROOT)} is made by `make demo`")
    return [str(text) for text in pq.read_table(TWEETS, columns=["text"]).column("text").to_pylist()]


def reviews() -> list[str]:
    """Customers' reviews of products, of at least REVIEW_WORDS words."""
    joined = [" ".join(sentence for _, sentence in sentences) for sentences in rated_reviews()]
    return [text for text in joined if len(text.split()) >= REVIEW_WORDS]


def rated_reviews() -> list[list[tuple[float, str]]]:
    """All of them as sentences in order, each with its mean rating by twenty people, from -4 to 4."""
    distribution = fetch_package(VADER_TWEETS.package, WORK)
    with (
        tarfile.open(distribution) as outer,
        tarfile.open(fileobj=io.BytesIO(_read(outer, _ARCHIVE))) as inner,
    ):
        lines = _read(inner, _REVIEWS).decode("utf-8").splitlines()
    whole: dict[str, list[tuple[float, str]]] = {}
    for line in lines:
        identity, rating, sentence = line.split("\t")
        whole.setdefault(identity.partition("_")[0], []).append((float(rating), sentence.strip()))
    return [*whole.values()]


def of_file(path: Path) -> list[str]:
    """The user's own texts."""
    if path.suffix == ".parquet":
        return [str(text) for text in pq.read_table(path, columns=["text"]).column("text").to_pylist()]
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def distinct(texts: Sequence[str], count: int) -> list[str]:
    """`count` texts of which no two are equal, so that no cache answers: repeats get a number at their end."""
    unique = list(dict.fromkeys(texts))
    return [
        unique[number % len(unique)] + (f" {number // len(unique)}" if number >= len(unique) else "")
        for number in range(count)
    ]


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise FileNotFoundError(f"{name} is not in the archive")
    return file.read()
