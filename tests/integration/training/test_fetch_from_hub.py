"""`fetch` of a data set of the hub: by its commit, again without the hub, and clear without an answer."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from shared.errors import InputDataError
from tests.integration.training.fake_hub import COMMIT, REPOSITORY, fake_hub
from trainer.data.datasets import Choice, find_dataset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = f"hf:{REPOSITORY}"
TRAIN = b'{"text": "so good", "label": 1}\n{"text": "so bad", "label": 0}\n{"text": "so so", "label": 1}\n'
FILES = {"README.md": b"# Reviews\n", "data/train.jsonl": TRAIN, "data/test.jsonl": TRAIN}


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    """The address of a hub with one data set."""
    with fake_hub(FILES) as address:
        yield address


@pytest.fixture
def _asked_from_here(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets this process ask that hub."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub)


def fetch(home: Path, hub: str, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs `sentiment-trainer fetch` with all caches of its own in `home`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    own = {"XDG_CACHE_HOME": str(home / "cache"), "HF_HOME": str(home / "hf"), "HF_ENDPOINT": hub}
    return subprocess.run(
        [sys.executable, "-m", "trainer", "fetch", *words],
        env={**inherited, "NO_PROXY": "127.0.0.1", **own, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_data_set_of_the_hub_is_fetched_by_its_commit_and_again_without_the_hub(
    tmp_path: Path, hub: str
) -> None:
    """The log names the commit; with it, and only with it, the cache answers while the hub does not."""
    first, again = tmp_path / "first.parquet", tmp_path / "again.parquet"
    done = fetch(tmp_path, hub, NAME, "--output", str(first))
    assert done.returncode == 0, done.stderr
    assert f'"commit": "{COMMIT}"' in done.stderr
    assert "3 rows of owner/reviews/train (1 0, 2 1)" in done.stdout
    assert pq.read_table(first).column("id").to_pylist() == [f"owner/reviews/train-{row}" for row in (1, 2, 3)]

    offline = {"HF_HUB_OFFLINE": "1"}
    done = fetch(tmp_path, hub, NAME, "--revision", COMMIT, "--output", str(again), **offline)
    assert done.returncode == 0, done.stderr
    assert again.read_bytes() == first.read_bytes()

    other = COMMIT[::-1]
    done = fetch(tmp_path, hub, NAME, "--revision", other, "--output", str(again), **offline)
    assert done.returncode == 65
    assert f"newest copy in the cache is of commit {COMMIT}, not {other}" in done.stderr

    done = fetch(tmp_path, hub, NAME, "--output", str(again), **offline)
    assert done.returncode == 65
    assert "three ways out: let this machine reach the hub" in done.stderr


@pytest.mark.usefixtures("_asked_from_here")
@pytest.mark.parametrize(
    ("name", "revision", "says"),
    [
        ("hf:owner/no-such", None, "the hub has no such data set, or does not show it to you"),
        (NAME, "v2", "it has no such --revision; give a commit, a tag or a branch"),
    ],
)
def test_what_the_hub_does_not_have_is_named(tmp_path: Path, name: str, revision: str | None, says: str) -> None:
    """An unknown data set and an unknown revision, with what to do."""
    with pytest.raises(InputDataError, match=f"cannot read {name}: {says}"):
        find_dataset(name, choice=Choice(revision=revision)).load(tmp_path)


def test_a_hub_that_cannot_be_reached_is_named_with_the_ways_out(tmp_path: Path) -> None:
    """Nothing listens on port 1: one line, exit code 65, and no progress bar or message of a library."""
    done = fetch(tmp_path, "http://127.0.0.1:1", NAME, "--output", str(tmp_path / "x.parquet"))
    assert done.returncode == 65, done.stderr
    assert done.stderr.startswith(f"error: cannot read {NAME}: ")
    assert "three ways out: let this machine reach the hub" in done.stderr
    assert "hf:./FOLDER" in done.stderr
    assert done.stderr.count("\n") == 1
