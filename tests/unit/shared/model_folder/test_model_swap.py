"""A model folder that changes while it is checked and loaded: either the named version answers, or nothing.

The folder is swapped for another, in place, right after a file of it was hashed: after each hash in turn. A
loader that opens a hashed file again, early or late, therefore uses the other model and is caught.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from shared.errors import ArtifactError, SettingsError
from shared.inference.engines import select as choose
from shared.inference.engines.openvino import int8
from shared.inference.engines.openvino.bert_shape import read_shape
from shared.inference.engines.openvino.graph import build
from shared.inference.engines.select import load_scorer
from shared.inference.scheduler import Scheduler
from shared.model_folder import artifact as artifacts
from shared.model_folder import files as model_files
from shared.model_folder.artifact import MANIFEST, open_artifact, read_manifest, seal
from tests.support.tiny import tiny_model
from tests.unit.shared.model_folder.test_artifact import INT8

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

TEXTS: Final = ["I love it!", "awful and sad", "a table", "no news today"]
WEIGHTS: Final = "model.safetensors"
NEVER: Final = 0
SWAPS: Final = [
    ("openvino", (WEIGHTS,)),
    ("openvino", ("config.json",)),
    ("openvino", ("tokenizer.json",)),
    ("openvino", (WEIGHTS, "config.json", "tokenizer.json", MANIFEST)),
    ("int8", (int8.WEIGHTS,)),
    ("int8", (int8.GRAPH,)),
    ("torch", (WEIGHTS,)),
    ("torch", ("config.json",)),
]
"""Every file that an engine reads alone, the tokenizer once for all of them; and a whole model."""


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder; its int8 graph is a fake that is not quantised, as that takes a minute."""
    return with_graph(tiny_model(tmp_path_factory.mktemp("sealed") / "model"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A different whole model, each file of which gives other answers."""
    folder = tiny_model(tmp_path_factory.mktemp("other") / "model")
    weights = load_file(folder / WEIGHTS)
    save_file(weights | {"classifier.weight": -weights["classifier.weight"]}, folder / WEIGHTS)
    for name, old, new in (("tokenizer.json", '"love"', '"l_ve"'), ("config.json", '"gelu"', '"relu"')):
        content = (folder / name).read_text(encoding="utf-8")
        assert old in content
        (folder / name).write_text(content.replace(old, new), encoding="utf-8")
    seal(folder, read_manifest(folder))
    return with_graph(folder)


def with_graph(folder: Path) -> Path:
    """Adds a graph under the name of the int8 one, and seals again."""
    plain = open_artifact(folder)
    int8.write_int8(folder, build(plain, read_shape(plain)))
    return seal(folder, plain.manifest.model_copy(update={"int8": INT8})).path


def answers(folder: Path, engine: str, then: Callable[[], object] = lambda: None) -> NDArray[np.float64]:
    """Opens, loads, calls `then`, and scores: [texts, labels]."""
    scoring = Scheduler(load_scorer(open_artifact(folder), "cpu", "int8" if engine == "int8" else "fp32"))
    then()
    try:
        return np.array([score.probabilities for score in scoring.score(TEXTS)])  # type: ignore[union-attr]
    finally:
        scoring.close(timeout_s=1.0)


class Swapped:
    """Replaces hashlib in the modules that read a folder: swaps the folder after the hash with a given number."""

    def __init__(self, swap: Callable[[], object]) -> None:
        self.after = NEVER
        self.done = 0
        self._swap = swap

    def file_digest(self, file: Any, name: str) -> Any:
        """As hashlib."""
        return self._then(hashlib.file_digest(file, name))

    def sha256(self, content: bytes) -> Any:
        """As hashlib."""
        return self._then(SimpleNamespace(hexdigest=hashlib.sha256(content).hexdigest))

    def _then(self, digest: Any) -> Any:
        known = digest.hexdigest()
        self.done += 1
        if self.done == self.after:
            self._swap()
        return SimpleNamespace(hexdigest=lambda: known)


@pytest.mark.slow
@pytest.mark.parametrize("swapped", SWAPS, ids=lambda swapped: f"{swapped[0]}-{swapped[1][-1]}")
def test_what_answers_is_what_was_hashed(
    sealed: Path,
    other: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    swapped: tuple[str, tuple[str, ...]],
) -> None:
    """Given files that are swapped after any hash, when loaded, they are refused or the originals answer."""
    engine, names = swapped
    if engine == "torch":
        monkeypatch.setattr(choose, "find_spec", lambda _: None)
    folder = tmp_path / "model"

    def swap() -> None:
        for name in names:
            shutil.copy(other / name, folder / name)

    def served(after: int) -> NDArray[np.float64] | None:
        """The answers for a swap after `number` hashes, and again after loading; None: refused."""
        shutil.copytree(sealed, folder, dirs_exist_ok=True)
        hashes.after, hashes.done = after, 0
        with contextlib.suppress(ArtifactError):
            return answers(folder, engine, then=swap)
        return None

    hashes = Swapped(swap)
    with monkeypatch.context() as patch:
        patch.setattr(artifacts, "hashlib", hashes)
        patch.setattr(model_files, "hashlib", hashes)
        expected = served(after=NEVER)
        assert expected is not None
        outcomes = [served(after) for after in range(1, hashes.done + 1)]

    assert outcomes[0] is None
    assert outcomes[-1] is not None
    assert all(np.allclose(found, expected, atol=1e-5) for found in outcomes if found is not None)
    if MANIFEST not in names:
        seal(folder, read_manifest(folder))
    # Otherwise the test could not fail: swapped files give other answers, or the engine's probe finds the swap.
    with contextlib.suppress(ArtifactError, SettingsError):
        assert not np.allclose(answers(folder, engine), expected, atol=1e-3)
