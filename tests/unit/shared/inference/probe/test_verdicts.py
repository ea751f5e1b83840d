"""A probe's verdict is remembered if possible, and nothing depends on it."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.inference.probe import verdicts
from shared.inference.probe.probe import Verdict

FILE = "sentiment-stream/" + verdicts.FILE
VERDICT = Verdict(trusted=True, avoided_widths=(16,), drift=0.25)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of an empty cache folder, which does not exist yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_is_kept_is_recalled_under_its_key(home: Path) -> None:
    """Given two verdicts, when recalled, then each is found by its key, from one file and nothing else."""
    other = Verdict(trusted=False)

    verdicts.keep("a", VERDICT)
    verdicts.keep("b", other)

    assert verdicts.recall("a") == VERDICT
    assert verdicts.recall("b") == other
    assert verdicts.recall("c") is None
    assert [path for path in home.rglob("*") if path.is_file()] == [home / "sentiment-stream" / "probes.json"]


def test_the_file_stays_small(home: Path) -> None:
    """Given more verdicts than are kept, when recalled, then the newest are there and the oldest are not."""
    for number in range(verdicts.ENTRIES + 5):
        verdicts.keep(str(number), VERDICT)

    assert verdicts.recall("4") is None
    assert verdicts.recall("5") == verdicts.recall(str(verdicts.ENTRIES + 4)) == VERDICT
    assert (home / FILE).stat().st_size < 400 * verdicts.ENTRIES


@given(
    content=st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.dictionaries(st.text(), inner)
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_a_file_that_is_not_ours_is_ignored_and_replaced(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Given any bytes in place of the verdicts, when recalled, then nothing is found and the next one is kept."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        (folder / FILE).parent.mkdir()
        (folder / FILE).write_bytes(content)

        assert verdicts.recall("a") is None
        verdicts.keep("a", VERDICT)
        assert verdicts.recall("a") == VERDICT


def test_a_home_that_cannot_be_written_is_no_error(home: Path) -> None:
    """Given a file in place of the folder, when a verdict is kept, then nothing is stored or raised."""
    home.write_text("a file")

    verdicts.keep("a", VERDICT)

    assert verdicts.recall("a") is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_home_is_no_error(home: Path) -> None:
    """Given a folder without the right to write, when a verdict is kept, then nothing is raised."""
    home.mkdir(mode=0o500)

    verdicts.keep("a", VERDICT)

    assert verdicts.recall("a") is None


def test_no_home_at_all_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given neither XDG_CACHE_HOME nor a home, when a verdict is kept, then nothing is raised."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    monkeypatch.setattr(Path, "home", homeless)

    verdicts.keep("a", VERDICT)

    assert verdicts.recall("a") is None
    assert not Path("relative").exists()


def test_writers_at_once_leave_a_whole_file(home: Path) -> None:
    """Given many writers at once, when all have finished, then the file is valid and holds some verdicts."""
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: verdicts.keep(str(number), VERDICT), range(40)))

    content = json.loads((home / FILE).read_text(encoding="utf-8"))
    assert content
    assert all(Verdict.model_validate(one) == VERDICT for one in content.values())
    assert list((home / FILE).parent.iterdir()) == [home / FILE]


def test_the_key_depends_on_all_that_it_is_made_of() -> None:
    """Given facts in another order, when made a key, then the key is the same; given other facts, it is not."""
    about = {"precision": "int8", "processor": {"name": "A", "flags": "x y"}}

    assert verdicts.key_of(about) == verdicts.key_of(dict(reversed(about.items())))
    assert verdicts.key_of(about) != verdicts.key_of(about | {"processor": {"name": "A", "flags": "x"}})
