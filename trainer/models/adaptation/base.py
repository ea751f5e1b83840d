"""Loads a base as a masked language model, with the head that it has or a new one."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
import torch
from safetensors.torch import load_file, save_file
from transformers import CONFIG_MAPPING, MODEL_FOR_MASKED_LM_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from shared.errors import InputDataError
from shared.inference.engines.torch.loading import CANNOT_BUILD
from trainer.models.model_folder import save_model
from trainer.models.pretrained.bundled import BUNDLED
from trainer.models.pretrained.classifier import check_complete
from trainer.models.pretrained.config import read_config
from trainer.models.pretrained.source import find_source
from trainer.models.pretrained.weights import read_weights
from trainer.models.transformer.base import LoadedBase, tokenizer_of

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

_WEIGHTS: Final = "model.safetensors"
_POOLER: Final = "pooler."
_WITH_HEAD: Final = ("ForMaskedLM", "ForPreTraining")
_LICENCES: Final = ("LICENSE*", "LICENCE*", "NOTICE*", "COPYING*")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MaskedBase:
    """A base that guesses masked tokens."""

    base: LoadedBase
    has_new_head: bool
    folder: Path
    """Where it was read from."""
    licence: str | None
    """Of a bundled base; None: see the base."""
    pooler: dict[str, Tensor]
    """Weights of a base that its masked language model does not have, and a classifier may."""

    def save(self, folder: Path) -> None:
        """Writes it as a base of the same kind, with its tokenizer and licence; leaves the model on the CPU."""
        base = self.base
        save_model(folder, base.model, base.tokenizer, base.positions)
        if self.pooler:
            save_file(
                {**load_file(folder / _WEIGHTS), **self.pooler}, folder / _WEIGHTS, metadata={"format": "pt"}
            )
            (folder / _WEIGHTS).chmod((folder / "config.json").stat().st_mode)
        for path in sorted({path for pattern in _LICENCES for path in self.folder.glob(pattern)}):
            shutil.copyfile(path, folder / path.name)


def load_masked_base(name: str, revision: str | None, cache_dir: Path) -> MaskedBase:
    """Loads a base; the initial weights of a new head depend on torch's seed.

    Raises InputDataError for a base that has no masked language model, or whose encoder is not complete.
    """
    source = find_source(name, revision, cache_dir)
    what = f"the base {source.name!r}"
    settings, weights = read_config(source.folder), read_weights(source.folder)
    if settings["model_type"] not in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        raise InputDataError(
            f"{what}: transformers has no masked language model for model_type {settings['model_type']!r}; adapt "
            "a base such as a BERT, RoBERTa or MPNet"
        )
    if not any(str(one).endswith(_WITH_HEAD) for one in settings.get("architectures") or [""]):
        # A new output layer as large as the embeddings would have to be learnt from nothing.
        settings = settings | {"tie_word_embeddings": True}
    model, report = _build(settings, weights.tensors, what)
    # Of the pooler no masked language model has weights, so what is missing is its head.
    missing = check_complete(model, report, what, any_head=True)
    tokenizer = tokenizer_of(source, model)
    if tokenizer.mask_token_id is None:
        raise InputDataError(f"{what}: its tokenizer has no mask token, so no text can be masked for it")
    if missing:
        log.warning(
            "new_head", base=source.name, weights=len(missing), effect="it learns to guess tokens from nothing"
        )
    prefix, own = f"{model.base_model_prefix}.", model.state_dict().keys()
    pooler = {
        key: tensor.float().contiguous()
        for plain, tensor in weights.tensors.items()
        if (inner := plain.removeprefix(prefix)).startswith(_POOLER) and (key := prefix + inner) not in own
    }
    bundled = BUNDLED.get(name)
    base = LoadedBase(model, tokenizer, source.name, source.commit or weights.sha256)
    return MaskedBase(base, bool(missing), source.folder, bundled.licence if bundled else None, pooler)


def _build(settings: dict[str, Any], tensors: dict[str, Tensor], what: str) -> tuple[Any, dict[str, Any]]:
    config = CONFIG_MAPPING[settings["model_type"]].from_dict(settings)
    architecture: Any = MODEL_FOR_MASKED_LM_MAPPING[type(config)]
    try:
        model, report = architecture.from_pretrained(
            None,
            config=config,
            state_dict=tensors,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    except CANNOT_BUILD as error:
        first_line = str(error).partition("\n")[0]
        raise InputDataError(
            f"{what} cannot be built by transformers ({type(error).__name__}: {first_line}); its config.json and "
            "weights do not belong together, or need another version"
        ) from None
    return model, report
