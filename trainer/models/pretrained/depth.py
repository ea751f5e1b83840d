"""A shallower encoder: some layers of a pretrained one, evenly spaced."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from transformers import CONFIG_MAPPING

from shared.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_DEPTH: Final = "num_hidden_layers"
"""In the words of transformers; the config of an architecture may have another name for it."""
_NUMBERED = re.compile(r"(?P<list>.*?\.)(?P<number>\d+)(?P<rest>\..*)", re.DOTALL)


def kept_layers(layers: int, of: int) -> list[int]:
    """Indices of the layers to keep, evenly spaced, from the first to the last; of 12, 6 are those of DistilBERT.

    The first is always kept: it is fitted to the embeddings, and that of ModernBERT has no norm of its own.
    """
    gaps = max(1, layers - 1)
    return [(2 * number * (of - 1) + gaps) // (2 * gaps) for number in range(layers)]


def with_layers(
    settings: Mapping[str, Any], tensors: Mapping[str, Tensor], layers: int, name: str
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Config and weights with that many of the layers; raises SettingsError if the encoder does not have them."""
    config = CONFIG_MAPPING[settings["model_type"]]
    field = getattr(config, "attribute_map", {}).get(_DEPTH, _DEPTH)
    depth = int(getattr(config.from_dict(dict(settings)), field, 0))
    if layers > depth:
        raise SettingsError(f"--layers {layers} is more than the {depth} layers of {name}")
    lists = _lists(tensors, depth)
    if not lists:
        raise SettingsError(f"--layers: {name} has no weights by layer; train it without --layers")
    number_of = {old: new for new, old in enumerate(kept_layers(layers, depth))}
    kept: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        found = _NUMBERED.fullmatch(key)
        if not found or found["list"] not in lists:
            kept[key] = tensor
        elif (old := int(found["number"])) in number_of:
            kept[f"{found['list']}{number_of[old]}{found['rest']}"] = tensor
    # Some configs say a kind of attention for each layer.
    chosen = {
        key: [value[old] for old in number_of] if isinstance(value, list) and key == "layer_types" else value
        for key, value in settings.items()
    }
    return {**chosen, field: layers}, kept


def _lists(tensors: Mapping[str, Tensor], depth: int) -> set[str]:
    """The paths in front of the number of a layer: those with all numbers below `depth` and no other."""
    numbers: dict[str, set[int]] = defaultdict(set)
    for key in tensors:
        if found := _NUMBERED.fullmatch(key):
            numbers[found["list"]].add(int(found["number"]))
    return {path for path, found in numbers.items() if found == set(range(depth))}
