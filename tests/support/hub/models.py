"""Classifiers and bases of thirteen architectures and more, in the layout of `save_pretrained`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from tests.support.hub.tokenizers import tokenizer_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ARCHITECTURES: Final = (
    *("bert", "roberta", "distilbert", "electra", "xlm-roberta"),
    *("mpnet", "deberta", "deberta-v2", "albert", "modernbert"),
    *("gpt2", "opt", "llama"),
)
LABELS: Final = ("negative", "neutral", "positive")
POSITIONS: Final = 66
"""Position embeddings: 66 tokens for most, 64 for those that count positions from 2."""

_SIZES: Final = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
_OWN: Final[dict[str, dict[str, Any]]] = {
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48},
    "electra": {**_SIZES, "embedding_size": 16},
    "albert": {**_SIZES, "embedding_size": 16},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2},
    "opt": {**_SIZES, "ffn_dim": 48, "word_embed_proj_dim": 32, "init_std": 0.4},
    "llama": {**_SIZES, "num_key_value_heads": 1},
    "xlnet": {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 48},
    "modernbert": {**_SIZES, "global_attn_every_n_layers": 2, "local_attention": 8},
    "deberta-v2": {
        **_SIZES,
        "relative_attention": True,
        "position_biased_input": False,
        "pos_att_type": ["p2c", "c2p"],
        "max_relative_positions": -1,
        "position_buckets": 16,
        "type_vocab_size": 0,
    },
}


def write_classifier(folder: Path, architecture: str, labels: tuple[str, ...] = LABELS, **settings: Any) -> Path:
    """Writes a fine-tuned classifier; `settings` change its config. Returns the folder."""
    config = _config(architecture, {"id2label": dict(enumerate(labels)), **settings})
    _write(folder, architecture, config, AutoModelForSequenceClassification)
    return folder


def write_base(folder: Path, architecture: str, **settings: Any) -> Path:
    """Writes a pretrained model without a head; returns the folder."""
    _write(folder, architecture, _config(architecture, settings), AutoModel)
    path = folder / "config.json"
    # The usual one, for the head of a training: with 0.4 that of a decoder begins far above the loss of guessing.
    usual = {"initializer_range": 0.02, "init_std": 0.02}
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **usual}))
    return folder


def _config(architecture: str, settings: Mapping[str, Any]) -> Any:
    tokenizer = tokenizer_for(architecture)
    ids = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    return AutoConfig.for_model(
        architecture,
        **{
            **_OWN.get(architecture, _SIZES),
            **ids,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": POSITIONS,
            "cls_token_id": tokenizer.cls_token_id,
            "sep_token_id": tokenizer.sep_token_id,
            "initializer_range": 0.4,  # with 0.02 all texts would get nearly equal answers
            **settings,
        },
    )


def _write(folder: Path, architecture: str, config: Any, kind: Any) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        kind.from_config(config).save_pretrained(folder)
    tokenizer_for(architecture).save_pretrained(folder)
