"""A model folder that is made on the spot: a BERT of one layer with predictable answers.

Its weights count words. A text with more words of POSITIVE than of NEGATIVE is "positive", one with more of
NEGATIVE is "negative", any other is "neutral"; probabilities are 0.9 and above for short texts. So a test can say
what it expects. Made with numpy in milliseconds, and the same, byte for byte, on every call.
"""

from __future__ import annotations

import hashlib
import json
import re
import string
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LABELS: Final = ("negative", "neutral", "positive")
POSITIVE: Final = frozenset(
    re.findall(r"\w+", "amazing excellent good great happy love lovely nice perfect thanks wonderful")
)
NEGATIVE: Final = frozenset(
    re.findall(r"\w+", "angry awful bad broken hate horrible sad slow terrible worst wrong")
)
MAX_TOKENS: Final = 64
"""With special tokens; longer texts are truncated."""

WIDTH: Final = 16
"""Numbers per token. The first two say positive and negative; the others are the same for every token."""
_GAIN: Final = 100.0
"""One word among MAX_TOKENS still counts more than the constant numbers: 100 / 64 > 1."""
_SPECIAL: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_CREATED: Final = "2026-01-01T00:00:00Z"


def make_model(folder: Path) -> Path:
    """Writes the model folder, which must not exist yet, and returns it."""
    folder.mkdir(parents=True)
    save_file(_weights(), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(_config(), indent=2) + "\n")
    _tokenizer().save(str(folder / "tokenizer.json"))
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
    (folder / "sentiment.json").write_text(json.dumps(_manifest(files), indent=2) + "\n")
    return folder


def _vocabulary() -> dict[str, int]:
    """Special tokens, the words that count, and single characters, with which any ASCII text can be spelt out."""
    characters = string.ascii_lowercase + string.digits + string.punctuation
    pieces = (*_SPECIAL, *sorted(POSITIVE), *sorted(NEGATIVE), *characters, *(f"##{one}" for one in characters))
    return {piece: index for index, piece in enumerate(pieces)}


def _tokenizer() -> Tokenizer:
    vocabulary = _vocabulary()
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 - a token of text
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    tokenizer.add_special_tokens(list(_SPECIAL))
    return tokenizer


def _weights() -> dict[str, NDArray[np.float32]]:
    """The first token collects the mean of all; the classifier reads its first number.

    Queries and keys are 0, so that attention is uniform, and so is the feed-forward part, which adds nothing.
    Every token's numbers have the mean 0: a layer norm only scales them.
    """
    vocabulary = _vocabulary()
    square = (WIDTH, WIDTH)
    words = np.zeros((len(vocabulary), WIDTH))
    words[:, 2:] = np.resize([1.0, -1.0], WIDTH - 2)
    for sign, counted in ((1.0, POSITIVE), (-1.0, NEGATIVE)):
        words[[vocabulary[word] for word in counted], :2] = (sign, -sign)
    feeling, first = np.zeros(square), np.zeros(square)
    feeling[0, 0] = feeling[1, 1] = 1.0
    first[0, 0] = 2.0
    logits = np.zeros((len(LABELS), WIDTH))
    logits[:, 0] = (-6.0, 0.0, 6.0)
    layer = "bert.encoder.layer.0"
    weights = {
        "bert.embeddings.word_embeddings.weight": words,
        "bert.embeddings.position_embeddings.weight": np.zeros((MAX_TOKENS, WIDTH)),
        "bert.embeddings.token_type_embeddings.weight": np.zeros((2, WIDTH)),
        **_norm("bert.embeddings.LayerNorm"),
        **_dense(f"{layer}.attention.self.query", np.zeros(square)),
        **_dense(f"{layer}.attention.self.key", np.zeros(square)),
        **_dense(f"{layer}.attention.self.value", feeling),
        **_dense(f"{layer}.attention.output.dense", _GAIN * feeling),
        **_norm(f"{layer}.attention.output.LayerNorm"),
        **_dense(f"{layer}.intermediate.dense", np.zeros(square)),
        **_dense(f"{layer}.output.dense", np.zeros(square)),
        **_norm(f"{layer}.output.LayerNorm"),
        **_dense("bert.pooler.dense", first),
        **_dense("classifier", logits, (0.0, 3.0, 0.0)),
    }
    return {name: np.ascontiguousarray(value, np.float32) for name, value in weights.items()}


def _dense(name: str, weight: NDArray[Any], bias: tuple[float, ...] = ()) -> dict[str, NDArray[Any]]:
    return {f"{name}.weight": weight, f"{name}.bias": np.array(bias or [0.0] * len(weight))}


def _norm(name: str) -> dict[str, NDArray[Any]]:
    return {f"{name}.weight": np.ones(WIDTH), f"{name}.bias": np.zeros(WIDTH)}


def _config() -> dict[str, Any]:
    return {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_attention_heads": 1,
        "num_hidden_layers": 1,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": MAX_TOKENS,
        "type_vocab_size": 2,
        "vocab_size": len(_vocabulary()),
        "pad_token_id": 0,
        "problem_type": "single_label_classification",
        "id2label": {str(index): label for index, label in enumerate(LABELS)},
        "label2id": {label: index for index, label in enumerate(LABELS)},
    }


def _manifest(files: dict[str, str]) -> dict[str, Any]:
    return {
        "format_version": 1,
        "name": "counts-words",
        "labels": LABELS,
        "max_tokens": MAX_TOKENS,
        "base": {"name": "sentiment_testing", "revision": files["model.safetensors"]},
        "created_at": _CREATED,
        "files": files,
    }
