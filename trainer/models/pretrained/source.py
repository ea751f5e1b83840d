"""Finds the files of a model: a local folder, a model of the Hugging Face hub, or a bundled base."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

# Their client, whichever module it is in this version. It is exported, but not in a way that mypy sees.
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

from shared.errors import InputDataError
from trainer.models.pretrained.bundled import BUNDLED, bundled_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

ANSWER_S: Final = 30.0
"""Seconds for the hub to say which files and commit a model has."""
SAFE_WEIGHTS: Final = ("*.safetensors", "*.safetensors.index.json")
PICKLED_WEIGHTS: Final = ("pytorch_model*.bin", "pytorch_model.bin.index.json")
_OTHER_FILES: Final = ("*.json", "*.txt", "*.model")
"""Configs and the files of tokenizers; no code."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Source:
    """The files of a model on this machine."""

    folder: Path
    name: str
    """For the manifest: the name on the hub, or that of the folder."""
    commit: str | None
    """Of the hub; None for a local folder."""


def find_source(name: str, revision: str | None, cache_dir: Path) -> Source:
    """The files of a model, downloaded from the hub unless `name` is a bundled base or a local folder.

    Raises InputDataError with what to do.
    """
    if name in BUNDLED:
        return Source(bundled_folder(BUNDLED[name], cache_dir), name, None)
    if Path(name).is_dir():
        if revision is not None:
            raise InputDataError(f"{name} is a folder, which has no revision; leave it out")
        return Source(Path(name), Path(name).resolve().name, None)
    if not _NAME.fullmatch(name):
        raise InputDataError(f"{name!r} is neither a folder nor a name on the hub; a folder must exist")
    folder = _from_hub(name, revision)
    return Source(folder, name, folder.name)


def _from_hub(name: str, revision: str | None) -> Path:
    """The snapshot of a model in the hub's own cache (HF_HOME), named by its commit."""
    try:
        commit, files = _listing(name, revision)
    except RepositoryNotFoundError:
        raise InputDataError(
            f"cannot load {name!r}: it is not a folder here, and the hub has no such model or does not show it; a "
            "private or gated one needs a token (`hf auth login`, or HF_TOKEN)"
        ) from None
    except RevisionNotFoundError:
        raise InputDataError(f"cannot load {name!r}: the hub has no revision {revision!r} of it") from None
    except (OSError, ValueError, httpx.HTTPError) as error:
        return _from_cache(name, revision, error)
    try:
        return Path(snapshot_download(name, revision=commit, allow_patterns=wanted_files(files)))
    except (OSError, ValueError, httpx.HTTPError) as error:
        raise _unavailable(name, error) from None


def _listing(name: str, revision: str | None) -> tuple[str, list[str]]:
    """Commit and files of a model on the hub."""
    found = HfApi().model_info(name, revision=revision, timeout=ANSWER_S)
    return str(found.sha), [one.rfilename for one in found.siblings or ()]


def wanted_files(files: Sequence[str]) -> list[str]:
    """Patterns of the files to download: pickled weights only if there are no others."""
    safe = any(name.endswith(".safetensors") for name in files)
    return [*_OTHER_FILES, *(SAFE_WEIGHTS if safe else PICKLED_WEIGHTS)]


def _from_cache(name: str, revision: str | None, error: Exception) -> Path:
    """A snapshot that was downloaded before, for a machine without a way to the hub."""
    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True))
    except (OSError, ValueError):
        raise _unavailable(name, error) from None


def _unavailable(name: str, error: Exception) -> InputDataError:
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return InputDataError(
        f"cannot load {name!r}: it is not a folder here, and the hub gave no answer: {first} - three ways out: "
        "let this machine reach the hub (HF_HUB_OFFLINE unset), give a local folder with a model, or train with "
        f"--base {' or '.join(BUNDLED)}"
    )
