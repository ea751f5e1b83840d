"""A model folder is opened only if every file is as the trainer sealed it."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import pickle
import shutil
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.drift.reference import Histogram, Reference
from shared.errors import ArtifactError
from shared.model_folder import artifact
from shared.model_folder.artifact import MANIFEST, open_artifact, seal
from shared.model_folder.manifest import Base, Decision, Int8, Manifest, Normaliser, TrainingData

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LABELS = ("negative", "positive")
INT8 = Int8(
    rows=1,
    calibration_rows=1,
    agreement=1,
    macro_recall=1,
    macro_recall_fp32=1,
    ece=0,
    ece_fp32=0,
    rest="fp32",
    libraries={},
)
_NUMBERS = Histogram(edges=(0.5,), counts=(40, 60), mean=0.5)
REFERENCE = Reference(
    rows=100,
    labels={"negative": 30, "positive": 70},
    confidence=_NUMBERS,
    entropy=_NUMBERS,
    tokens=_NUMBERS,
    unknown_share=_NUMBERS,
)


def manifest(**changes: Any) -> Manifest:
    """A valid manifest with some changes."""
    fields: dict[str, Any] = {
        "name": "test",
        "labels": LABELS,
        "max_tokens": 64,
        "class_priors": {"negative": 0.4, "positive": 0.6},
        "base": Base(name="base", revision="1"),
        "data": TrainingData(source="none", rows=2, fingerprint="0"),
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Manifest(**(fields | changes))


@pytest.fixture
def unsealed(tmp_path: Path) -> Path:
    """The files that a trainer writes before it seals: configuration, weights, and a file in a subfolder."""
    folder = tmp_path / "model"
    (folder / "extra").mkdir(parents=True)
    id2label = {str(index): label for index, label in enumerate(LABELS)}
    (folder / "config.json").write_text(json.dumps({"id2label": id2label}))
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "extra" / "notes.txt").write_text("notes")
    return folder


@pytest.fixture
def folder(unsealed: Path) -> Path:
    """A sealed folder."""
    seal(unsealed, manifest())
    return unsealed


def test_a_sealed_folder_opens(folder: Path) -> None:
    """Given a sealed folder, when opened, then manifest and version are there and every file is listed."""
    found = open_artifact(folder)

    assert found.path == folder
    assert set(found.manifest.files) == {"config.json", "model.safetensors", "extra/notes.txt"}
    assert len(found.version) == 12
    assert not list(folder.glob("*.partial"))


def test_a_copy_has_the_same_version(folder: Path, tmp_path: Path) -> None:
    """Given a copy elsewhere, when opened, then its version is the same."""
    copy = shutil.copytree(folder, tmp_path / "copy")

    assert open_artifact(copy).version == open_artifact(folder).version


def alter(name: str, content: bytes | str) -> Callable[[Path], object]:
    """Writes one file of the folder."""
    return lambda folder: (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def edit(**changes: Any) -> Callable[[Path], object]:
    """Changes fields of the manifest without a new seal."""
    return lambda folder: (folder / MANIFEST).write_text(
        json.dumps(json.loads((folder / MANIFEST).read_text()) | changes)
    )


def remove(name: str) -> Callable[[Path], object]:
    """Removes one file of the folder."""
    return lambda folder: (folder / name).unlink()


def link(name: str, target: str) -> Callable[[Path], object]:
    """Creates a link, in place of a file if there is one."""

    def harm(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return harm


def pipe(name: str) -> Callable[[Path], object]:
    """Creates a named pipe, at which a plain open waits until somebody writes."""

    def harm(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return harm


def listen(folder: Path) -> None:
    """Creates a socket."""
    with socket.socket(socket.AF_UNIX) as one, contextlib.chdir(folder):  # its name would be too long
        one.bind("vocab.txt")


@pytest.mark.parametrize(
    ("harm", "name", "why", "advice"),
    [
        (remove("model.safetensors"), "", "no .safetensors weights", "restore the folder"),
        (remove("extra/notes.txt"), "extra/notes.txt", "is missing", "restore the folder"),
        (alter("model.safetensors", b"Weights"), "model.safetensors", "was altered", "restore the folder"),
        (alter("extra/notes.txt", b""), "extra/notes.txt", "was altered", "restore the folder"),
        (alter("added.json", "{}"), "added.json", "is not listed", "remove it"),
        (alter("extra/pytorch_model.bin", b""), "extra/pytorch_model.bin", "pickle or code", "remove the file"),
        (alter("training.PT", b""), "training.PT", "pickle or code", "remove the file"),
        (alter("modeling.py", "import os"), "modeling.py", "pickle or code", "remove the file"),
        (alter("weights.dat", pickle.dumps([1])), "weights.dat", "pickle or code", "remove the file"),
        (alter("model.safetensors", b"PK\x03\x04zip"), "model.safetensors", "pickle or code", "remove the file"),
        (remove(MANIFEST), "", f"has no {MANIFEST}", "sentiment-trainer train"),
        (alter(MANIFEST, "{"), MANIFEST, "not a valid manifest", "train again"),
        (alter(MANIFEST, b"\xff"), MANIFEST, "not a valid manifest", "train again"),
        (edit(format_version=2), MANIFEST, "format_version", "train again"),
        (edit(unknown=1), MANIFEST, "unknown", "train again"),
        (edit(temperature=0), MANIFEST, "temperature", "train again"),
        (edit(labels=["a", "b"]), MANIFEST, "class_priors", "train again"),
        (edit(labels=["positive", "negative"]), "", "labels", "train the model again"),
        (edit(normaliser={"version": 99}), "", "normaliser 99", "train it again"),
        (edit(temperature=1e-45), MANIFEST, "temperature", "train again"),
        (edit(temperature=1e300), MANIFEST, "temperature", "train again"),
        (edit(temperature=math.inf), MANIFEST, "temperature", "train again"),
        (edit(temperature=math.nan), MANIFEST, "temperature", "train again"),
        (edit(max_tokens=2**31), MANIFEST, "max_tokens", "train again"),
        (link("vocab.txt", "gone.txt"), "vocab.txt", "link to nothing", "copy the model folder"),
        (link("sub", "/etc"), "sub", "link to a folder", "copy the model folder"),
        (link("vocab.txt", "/etc/hosts"), "vocab.txt", "is not listed", "remove it"),
        (link("vocab.txt", "/dev/zero"), "vocab.txt", "not a regular file", "remove it"),
        (link("config.json", "/dev/zero"), "config.json", "not a regular file", "remove it"),
        (link(MANIFEST, "/dev/zero"), MANIFEST, "not a regular file", "remove it"),
        (pipe("added_tokens.json"), "added_tokens.json", "not a regular file", "remove it"),
        (pipe("config.json"), "config.json", "not a regular file", "remove it"),
        (pipe(MANIFEST), MANIFEST, "not a regular file", "remove it"),
        (listen, "vocab.txt", "not a regular file", "remove it"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else None,
)
@pytest.mark.timeout(10)
def test_an_unfit_folder_is_refused(
    folder: Path, harm: Callable[[Path], object], name: str, why: str, advice: str
) -> None:
    """Given a sealed folder that was damaged, when opened, then the error names file, fault and what to do."""
    harm(folder)

    with pytest.raises(ArtifactError) as raised:
        open_artifact(folder)

    message = str(raised.value)
    assert message.startswith(str(folder / name) if name else str(folder))
    assert why in message
    assert advice in message


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ("{", "is not a JSON object"),
        ("[" * 10_000, "is not a JSON object"),
        ("[]", "is not a JSON object"),
        ("{}", "names no labels"),
        ('{"id2label": ["negative", "positive"]}', "names no labels"),
        ('{"id2label": {"0": "negative", "1": "positive", "2": "x"}}', "differ from the model's own"),
        ('{"id2label": {"0": "negative", "1": "positive"}, "problem_type": "regression"}', "'regression'"),
        ('{"id2label": {"0": "negative", "1": "positive"}, "problem_type": [1]}', r"\[1\]"),
    ],
)
def test_a_model_of_other_answers_is_refused(unsealed: Path, config: str, why: str) -> None:
    """Given a configuration that does not fit the manifest, when sealed, then the folder is refused."""
    (unsealed / "config.json").write_text(config)

    with pytest.raises(ArtifactError, match=why):
        seal(unsealed, manifest())


def test_a_folder_without_configuration_is_refused(unsealed: Path) -> None:
    """Given no config.json, when sealed, then the folder is refused."""
    (unsealed / "config.json").unlink()

    with pytest.raises(ArtifactError, match=r"config\.json is missing"):
        seal(unsealed, manifest())


@pytest.mark.timeout(10)
def test_a_file_that_became_a_pipe_does_not_block(folder: Path) -> None:
    """Given a folder that was checked, when a file in it becomes a pipe, then reading it is refused at once."""
    checked = open_artifact(folder)
    pipe("model.safetensors")(folder)

    with pytest.raises(ArtifactError, match="not a regular file"):
        checked.read("model.safetensors")


@pytest.mark.parametrize("name", ["model.safetensors", "extra/notes.txt", "config.json"])
def test_what_was_altered_is_not_vouched_for_anew(folder: Path, name: str) -> None:
    """Given a file that has since been altered, when sealed with the earlier digests, then the change is found."""
    checked = open_artifact(folder)
    (folder / name).write_bytes(b"altered")

    with pytest.raises(ArtifactError, match=f"{name} was altered"):
        seal(folder, checked.manifest, checked.manifest.files)


def test_a_file_that_may_not_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a file without the right to read it, when opened, then the error says so."""

    def refuse(path: Path, *_: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ArtifactError, match="cannot be read: Permission denied"):
        open_artifact(folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from([*Manifest.model_fields, "unknown"]) | st.text(), value=JSON)
def test_no_manifest_ends_in_another_error(folder: Path, field: str, value: Any) -> None:
    """Given any value in any field, when opened, then the folder is refused, or fit to divide logits with."""
    kept = (folder / MANIFEST).read_bytes()
    try:
        edit(**{field: value})(folder)
        with contextlib.suppress(ArtifactError):
            assert math.isfinite(1 / float(np.float32(open_artifact(folder).manifest.temperature)))
    finally:
        (folder / MANIFEST).write_bytes(kept)


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    """Given a path that does not exist, when opened, then the error asks for a model folder."""
    with pytest.raises(ArtifactError, match="is not a folder; give a model folder"):
        open_artifact(tmp_path / "nothing")


def test_a_link_to_a_file_is_read(folder: Path, tmp_path: Path) -> None:
    """Given weights that are a link, as in a download cache, when opened, then they count as the file."""
    shutil.move(folder / "model.safetensors", tmp_path / "blob")
    (folder / "model.safetensors").symlink_to(tmp_path / "blob")

    assert open_artifact(folder).manifest.labels == LABELS


def version_with(folder: Path, **changes: Any) -> str:
    """The version of the folder after a new seal."""
    return seal(folder, manifest(**changes)).version


@pytest.mark.parametrize(
    "changes",
    [
        {"metrics": {"accuracy": 0.9}},
        {"created_at": datetime(2027, 1, 1, tzinfo=UTC)},
        {"int8": INT8},
        {"reference": REFERENCE},
    ],
    ids=["metrics", "time", "int8", "reference"],
)
def test_what_shapes_no_score_leaves_the_version(unsealed: Path, changes: dict[str, Any]) -> None:
    """Given other metrics or another time, when sealed, then the version is the same."""
    assert version_with(unsealed, **changes) == version_with(unsealed)


@pytest.mark.parametrize("name", ["README.md", "plots/confusion.png", "metrics.json"])
def test_a_description_leaves_the_version(unsealed: Path, name: str) -> None:
    """Given a description next to the model, when it is added and rewritten, then the version is the same."""
    before = version_with(unsealed)
    (unsealed / name).parent.mkdir(exist_ok=True)
    (unsealed / name).write_text("one")
    with_one = version_with(unsealed)
    (unsealed / name).write_text("two")

    assert before == with_one == version_with(unsealed)


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 2.0},
        {"max_tokens": 32},
        {"name": "other"},
        {"normaliser": Normaliser.model_validate({"version": 1, "options": {"lowercase": True}})},
        {"class_priors": {"negative": 0.5, "positive": 0.5}},
        {"bias": (0.1, -0.1)},
        {"decision": Decision(rule="macro-recall", weights=(1.0, 2.0))},
        {"uncertain_below": 0.7},
        {"polarity": {"negative": -1}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_shapes_a_score_changes_the_version(unsealed: Path, changes: dict[str, Any]) -> None:
    """Given another temperature, length or similar field, when sealed, then the version differs."""
    assert version_with(unsealed, **changes) != version_with(unsealed)


def test_a_model_from_before_the_newer_fields_keeps_its_version(unsealed: Path) -> None:
    """Given a manifest without the fields of later versions, when opened, then the version is that of before."""
    (unsealed / "sentiment.json").unlink(missing_ok=True)
    before = version_with(unsealed)
    content = json.loads((unsealed / "sentiment.json").read_bytes())
    del content["calibration"], content["normaliser"]["options"]["enabled"]
    del content["bias"], content["decision"], content["uncertain_below"], content["polarity"]
    (unsealed / "sentiment.json").write_text(json.dumps(content))
    assert open_artifact(unsealed).version == before


def test_other_weights_change_the_version(unsealed: Path) -> None:
    """Given one byte of the weights changed, when sealed, then the version differs."""
    before = version_with(unsealed)
    (unsealed / "model.safetensors").write_bytes(b"Weights")

    assert version_with(unsealed) != before


def test_a_newer_normaliser_refuses_older_models(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a model, when the normaliser changes, then the model is refused and both versions are named."""
    monkeypatch.setattr(artifact, "NORMALISER_VERSION", 2)

    with pytest.raises(ArtifactError, match="normaliser 1, this is version 2"):
        open_artifact(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": ("only",)},
        {"class_priors": {"negative": 1.0}},
        {"max_tokens": 2},
        {"data": "nobody's"},
        {"bias": (0.1,)},
        {"bias": (21.0, -21.0)},
        {"decision": {"rule": "macro-recall", "weights": (1.0,)}},
        {"decision": {"rule": "macro-recall", "weights": (1.0, 0.0)}},
        {"uncertain_below": 1.1},
        {"polarity": {"joy": 1}},
        {"polarity": {"negative": 2}},
        {"reference": REFERENCE.model_copy(update={"labels": {"positive": 70, "negative": 30}})},
        {"reference": REFERENCE.model_copy(update={"labels": {"yes": 70, "no": 30}})},
    ],
)
def test_a_manifest_that_makes_no_sense_cannot_be_built(changes: dict[str, Any]) -> None:
    """Given one label, priors for others, or no room for a token, when built, then it is refused."""
    with pytest.raises(ValidationError):
        manifest(**changes)
