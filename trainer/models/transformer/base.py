"""Resolves `--base` to a model with a new classification head for our labels, and its tokenizer.

Only safetensors are read here (a pickle is converted in another process), and no code of a model is run.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from transformers.utils import logging as transformers_logging

from shared.model_folder.manifest import MAX_TOKENS
from trainer.models.pretrained.classifier import build, positions_of, without_head
from trainer.models.pretrained.config import read_config
from trainer.models.pretrained.depth import with_layers
from trainer.models.pretrained.source import find_source
from trainer.models.pretrained.tokenizer import check_vocabulary, limit_of, load_tokenizer, settle_padding
from trainer.models.pretrained.weights import read_weights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.models.pretrained.source import Source

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
        return min(positions_of(self.model) or MAX_TOKENS, limit_of(self.tokenizer) or MAX_TOKENS)

    @property
    def learning_rate(self) -> float:
        """The default peak learning rate."""
        return SMALL_RATE if self.model.config.hidden_size <= SMALL_HIDDEN else BASE_RATE


def load_base(
    name: str, revision: str | None, labels: Sequence[str], cache_dir: Path, layers: int | None = None
) -> LoadedBase:
    """Loads a base with one output per label; the initial weights of the head depend on torch's seed.

    With `layers`, that many of its layers are kept, evenly spaced.

    A head that the base has is not used, even if it has the same size: its outputs may be other labels, or the
    same ones in another order. Raises InputDataError if the base cannot be loaded or its encoder is not complete.
    """
    source = find_source(name, revision, cache_dir)
    settings = read_config(source.folder)
    weights = read_weights(source.folder)
    ours = {
        **settings,
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
        "problem_type": "single_label_classification",
    }
    tensors = without_head(weights.tensors, ours)
    if layers is not None:
        ours, tensors = with_layers(ours, tensors, layers, f"the base {source.name!r}")
    model = build(ours, tensors, f"the base {source.name!r}", any_head=True)
    tokenizer = tokenizer_of(source, model)
    return LoadedBase(model, tokenizer, source.name, source.commit or weights.sha256)


def tokenizer_of(source: Source, model: Any) -> Any:
    """The tokenizer of a base, fitted to its model; raises InputDataError if they do not belong together."""
    tokenizer = load_tokenizer(source.folder)
    settle_padding(model, tokenizer, fine_tuned=False)
    check_vocabulary(model, tokenizer, f"the base {source.name!r}")
    # What the consumer does, so that plain transformers does it too with the folder that is saved.
    tokenizer.truncation_side = "right"
    tokenizer.split_special_tokens = False
    # The same in the Rust tokenizer, which has read it at the start; tokenizer.json does not keep it.
    tokenizer.backend_tokenizer.encode_special_tokens = False
    return tokenizer


def hush_transformers() -> None:
    """Silences messages that repeat our own errors, or that warn of the new head of a base, which is intended."""
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
