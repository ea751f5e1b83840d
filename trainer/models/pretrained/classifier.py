"""Builds a sequence classifier from a model's folder, and judges whether its weights fit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import structlog
import torch
from transformers import CONFIG_MAPPING, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES

from shared.errors import InputDataError
from shared.inference.engines.torch.loading import CANNOT_BUILD, build_classifier
from shared.model_folder.manifest import MAX_TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

_NAMED: Final = 3
"""Maximum names of weights that an error lists."""
_LAYER = re.compile(r"\.\d+\.")

log = structlog.get_logger()


def build(settings: Mapping[str, Any], tensors: dict[str, Tensor], name: str, *, any_head: bool) -> Any:
    """A sequence classifier of these settings and weights, in fp32 on the CPU; raises InputDataError.

    With `any_head`, the head and the pooler may be missing or of another size; such weights are initialised with
    torch's generator. Everything else must be there and fit: transformers would initialise it without an error.
    """
    kind = settings["model_type"]
    if kind not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES:
        raise InputDataError(f"{name}: transformers has no sequence classifier for model_type {kind!r}")
    try:
        model, report = build_classifier(settings, tensors, ignore_mismatched_sizes=True)
    except CANNOT_BUILD as error:
        first_line = str(error).partition("\n")[0]
        raise InputDataError(
            f"{name} cannot be built by transformers ({type(error).__name__}: {first_line}); its config.json and "
            "weights do not belong together, or need another version"
        ) from None
    check_complete(model, report, name, any_head=any_head)
    return model


def check_complete(model: Any, report: Mapping[str, Any], name: str, *, any_head: bool) -> list[str]:
    """Raises InputDataError unless the report of transformers says that all weights were there; see `build`.

    Returns the names of weights of the head and the pooler that were not, or had another size.
    """
    prefix = f"{model.base_model_prefix}."
    found = {
        "are missing": report["missing_keys"],
        "have another size than config.json says": [key for key, *_ in report["mismatched_keys"]],
    }
    for what, keys in found.items():
        _refuse([key for key in keys if not (any_head and is_head(key, prefix))], what, name)
    deeper = [key for key in report["unexpected_keys"] if _LAYER.search(key)]
    _refuse(deeper, "are of layers that config.json does not have", name)
    if unused := sorted(report["unexpected_keys"]):
        # Of a masked-language-model head, or a pooler that the classifier does not have.
        log.info("weights_not_used", model=name, count=len(unused), such_as=unused[:_NAMED])
    return sorted(key for keys in found.values() for key in keys)


def _refuse(keys: list[str], what: str, name: str) -> None:
    if keys:
        raise InputDataError(
            f"{name}: {len(keys)} weights {what}, such as {', '.join(sorted(keys)[:_NAMED])}; give a folder whose "
            "config.json and weights belong together"
        )


def is_head(key: str, prefix: str) -> bool:
    """Whether a weight is of the head or the pooler: outside of the encoder, or its part that is called pooler."""
    return not key.startswith(prefix) or key.removeprefix(prefix).startswith("pooler.")


def without_head(tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights without those that a classifier of this kind has outside of its encoder.

    A head for other labels, or for another task, may have the same names and sizes. That of a model that was only
    pretrained is kept: the last layer of a classifier is never among it.
    """
    architectures = settings.get("architectures") or [""]
    if all(one.endswith(("Model", "ForMaskedLM", "ForPreTraining", "ForCausalLM")) for one in architectures):
        return dict(tensors)
    own = _head_names(settings)
    return {name: tensor for name, tensor in tensors.items() if name not in own}


def _head_names(settings: Mapping[str, Any]) -> set[str]:
    """Names of the weights outside of the encoder, found without allocating them."""
    config = CONFIG_MAPPING[settings["model_type"]].from_dict(dict(settings))
    with torch.device("meta"):
        architecture: Any = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)]
        model = architecture(config)
    prefix = f"{model.base_model_prefix}."
    return {name for name in model.state_dict() if not name.startswith(prefix)}


def positions_of(model: Any) -> int | None:
    """Maximum tokens of a text that the model has positions for; None if it states no limit.

    RoBERTa, MPNet, Longformer and others count positions from the one after that of padding, so some embeddings
    are never used: 514 of them are 512 tokens.
    """
    stated = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(stated, int) or stated <= 0:
        return None
    skipped = max(_skipped(model.named_modules()), default=0)
    return min(stated - skipped, MAX_TOKENS)


def _skipped(modules: Iterable[tuple[str, Any]]) -> Iterable[int]:
    for name, module in modules:
        tables = isinstance(module, torch.nn.Embedding) and "position" in name.rpartition(".")[2]
        # An embedding of positions has a padding index only where padding has a position.
        if tables and module.padding_idx is not None:
            yield module.padding_idx + 1
