"""Pinned files come from pip's own sources, are verified, and are fetched once."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from shared.errors import InputDataError
from trainer.data.datasets import fetch_dataset, read_vader_tweets
from trainer.data.packages import Package, fetch_package

if TYPE_CHECKING:
    from pathlib import Path

WHEEL = "tiny_words-1.0-py3-none-any.whl"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """A wheel in the only folder that pip may search: no index, no network."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    metadata = "Metadata-Version: 2.1\nName: tiny-words\nVersion: 1.0\n"
    files = {
        "tiny_words/words.txt": "good\nbad\n",
        "tiny_words-1.0.dist-info/METADATA": metadata,
        "tiny_words-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "tiny_words-1.0.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(shelf / WHEEL, "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    return Package("tiny-words", "1.0", WHEEL, hashlib.sha256((shelf / WHEEL).read_bytes()).hexdigest())


def test_a_package_is_fetched_once_and_kept(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time pip has nowhere to search, and is not called."""
    found = fetch_package(package, tmp_path / "cache")
    assert zipfile.ZipFile(found).read("tiny_words/words.txt") == b"good\nbad\n"
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "cache"))
    assert fetch_package(package, tmp_path / "cache") == found


def test_a_damaged_file_in_the_cache_is_fetched_anew(package: Package, tmp_path: Path) -> None:
    """Its digest is compared every time."""
    fetch_package(package, tmp_path / "cache").write_bytes(b"damaged")
    assert zipfile.is_zipfile(fetch_package(package, tmp_path / "cache"))


def test_a_file_with_another_digest_is_refused(package: Package, tmp_path: Path) -> None:
    """Pip gives the reason, in its own words; nothing reaches the cache."""
    with pytest.raises(InputDataError, match=r"cannot fetch tiny-words 1\.0 .*DO NOT MATCH THE HASHES"):
        fetch_package(replace(package, sha256="0" * 64), tmp_path / "cache")
    assert list((tmp_path / "cache" / "packages").iterdir()) == []


def test_a_package_that_is_nowhere_names_the_way_out(package: Package, tmp_path: Path) -> None:
    """The message has pip's reason and where to put the file."""
    with pytest.raises(InputDataError, match=r"No matching distribution .*PIP_FIND_LINKS"):
        fetch_package(replace(package, version="2.0"), tmp_path / "cache")


def archive_of(name: str, content: bytes) -> bytes:
    """A .tar.gz with one file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def test_rated_tweets_become_three_labels(tmp_path: Path) -> None:
    """A mean rating of 0.5 is a sentiment, one of 0.49 is not; lines end in CR LF."""
    lines = b"1\t0.5\tgood one\r\n2\t-0.49\tso so\r\n3\t-3.9\tawful &amp; sad\r\n"
    inner = archive_of("hutto_ICWSM_2014/tweets_GroundTruth.txt", lines)
    outer = archive_of("vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz", inner)
    (tmp_path / "v.tar.gz").write_bytes(outer)
    found = read_vader_tweets(tmp_path / "v.tar.gz", "vader-tweets")
    assert found.texts == ("good one", "so so", "awful &amp; sad")
    assert [found.label_names[label] for label in found.labels] == ["positive", "neutral", "negative"]
    assert found.ids == ("vader-tweets-1", "vader-tweets-2", "vader-tweets-3")


def test_an_unknown_data_set_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    """The message lists them."""
    with pytest.raises(InputDataError, match="known are: vader-tweets"):
        fetch_dataset("imdb", tmp_path)
