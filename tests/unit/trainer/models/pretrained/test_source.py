"""Where the files of a model come from: a folder, the hub, or what was downloaded before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from shared.errors import InputDataError
from trainer.models.pretrained import source
from trainer.models.pretrained.source import find_source, wanted_files

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    """By whatever path; its name is that of the folder."""
    (tmp_path / "model").mkdir()
    found = find_source(f"{tmp_path}/model/../model", None, tmp_path)
    assert (found.name, found.commit) == ("model", None)
    with pytest.raises(InputDataError, match="is a folder, which has no revision"):
        find_source(str(tmp_path / "model"), "main", tmp_path)


@pytest.mark.parametrize("name", ["./model", "/no/such/folder", "a/b/c", "model folder"])
def test_a_path_that_does_not_exist_is_not_sought_on_the_hub(name: str, tmp_path: Path) -> None:
    """It is no name of the hub, so the error is about the folder."""
    with pytest.raises(InputDataError, match="is neither a folder nor a name on the hub"):
        find_source(name, None, tmp_path)


def test_a_name_is_downloaded_at_one_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a model of the hub, when found, then the listed commit is fetched, without code and pickles."""
    (tmp_path / COMMIT).mkdir()
    asked: list[Any] = []

    def download(name: str, **options: Any) -> str:
        asked.append((name, options))
        return str(tmp_path / COMMIT)

    monkeypatch.setattr(source, "_listing", lambda _name, _revision: (COMMIT, ["model.safetensors", "a.py"]))
    monkeypatch.setattr(source, "snapshot_download", download)

    found = find_source("somebody/sentiment", "main", tmp_path)

    assert (found.name, found.commit, found.folder) == ("somebody/sentiment", COMMIT, tmp_path / COMMIT)
    assert asked == [
        ("somebody/sentiment", {"revision": COMMIT, "allow_patterns": wanted_files(["model.safetensors"])})
    ]


def test_pickles_are_downloaded_only_where_there_is_nothing_else() -> None:
    """And Python files never."""
    safe = wanted_files(["config.json", "model-00001-of-00002.safetensors", "pytorch_model.bin", "modeling.py"])
    assert not any(pattern.endswith((".bin", ".py")) for pattern in safe)
    pickled = wanted_files(["config.json", "pytorch_model.bin"])
    assert any(pattern.endswith(".bin") for pattern in pickled)
    assert not any(pattern.endswith((".safetensors", ".py")) for pattern in pickled)


def test_without_a_way_to_the_hub_the_cache_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was downloaded before is found; else there are three ways out."""

    def offline(*_: Any, **__: Any) -> Any:
        raise ConnectionError("no way to the hub")

    monkeypatch.setattr(source, "HfApi", lambda: SimpleNamespace(model_info=offline))
    monkeypatch.setattr(source, "snapshot_download", lambda *_, **__: str(tmp_path / COMMIT))
    assert find_source("somebody/sentiment", None, tmp_path).commit == COMMIT

    monkeypatch.setattr(source, "snapshot_download", offline)
    with pytest.raises(InputDataError, match=r"no way to the hub - three ways out: .*--base minilm"):
        find_source("somebody/sentiment", None, tmp_path)


def test_a_mode_without_network_is_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given HF_HUB_OFFLINE, when a model was never downloaded, then the error says how to go on."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputDataError, match="three ways out: let this machine reach the hub"):
        find_source("nobody/has-this", None, tmp_path)
