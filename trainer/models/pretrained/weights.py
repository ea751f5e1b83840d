"""Reads the weights of a model's folder: safetensors, or a pickle of torch that another process has converted."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from safetensors import SafetensorError
from safetensors.torch import load_file

from shared.errors import InputDataError
from trainer.data.packages import sha256
from trainer.models.pretrained.conversion import convert

if TYPE_CHECKING:
    import torch

_SAFE: Final = "model.safetensors"
_PICKLED: Final = "pytorch_model.bin"
_INDEX: Final = ".index.json"
_OTHERS: Final = {
    "adapter_config.json": "it holds an adapter only; merge it with its base (merge_and_unload of peft)",
    "tf_model.h5": "it holds weights of TensorFlow only",
    "flax_model.msgpack": "it holds weights of Flax only",
}
"""Files that say what a folder without weights of torch holds."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The tensors of a model."""

    tensors: dict[str, torch.Tensor]
    """By name, on the CPU, in the dtype of the file."""
    sha256: str
    """Of the files, joined by commas."""
    converted: bool
    """Whether they were a pickle."""


def read_weights(folder: Path) -> Weights:
    """The weights of a folder in the layout of `save_pretrained`; raises InputDataError."""
    if paths := _files(folder, _SAFE):
        return Weights(_load(paths), _digest(paths), converted=False)
    if paths := _files(folder, _PICKLED):
        with tempfile.TemporaryDirectory() as name:
            safe = [Path(name) / f"{number}.safetensors" for number, _ in enumerate(paths)]
            for pickled, target in zip(paths, safe, strict=True):
                convert("weights", pickled, target)
            # `load_file` maps its file, which lasts until the tensors are gone.
            return Weights(_load(safe), _digest(paths), converted=True)
    why = next((why for name, why in _OTHERS.items() if (folder / name).exists()), "")
    raise InputDataError(f"{folder} has neither {_SAFE} nor {_PICKLED}{f': {why}' if why else ''}")


def _files(folder: Path, name: str) -> list[Path]:
    """The file of that name, or the parts that its index lists; empty if there is neither."""
    if (folder / name).is_file():
        return [folder / name]
    index = folder / f"{name}{_INDEX}"
    if not index.is_file():
        return []
    try:
        parts = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
        paths = [folder / part for part in parts if Path(part).name == part]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputDataError(f"{index} is not an index of weights") from None
    if len(paths) < len(parts) or not all(path.is_file() for path in paths):
        raise InputDataError(f"{index} lists weights that are not in {folder}; download them again")
    return paths


def _load(paths: list[Path]) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = {}
    for path in paths:
        try:
            tensors |= load_file(path)
        except SafetensorError as error:
            raise InputDataError(f"{path} cannot be read ({error}); download it again") from None
    return tensors


def _digest(paths: list[Path]) -> str:
    return ",".join(sha256(path) for path in paths)
