"""Tokenizers of the three kinds, in the classes that transformers has for each architecture."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    AlbertTokenizer,
    BertTokenizer,
    DebertaTokenizer,
    DebertaV2Tokenizer,
    GPT2Tokenizer,
    LlamaTokenizer,
    MPNetTokenizer,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
    XLMRobertaTokenizer,
)

from tests.support.tiny import vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable

_SPECIAL: Final = {
    "bert": ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    "roberta": ("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
    "albert": ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"),
}
"""In the order of their ids, as in the published models of these families."""
CORPUS: Final = [
    *(" ".join(sorted(vocabulary())[start : start + 8]).replace("##", "") for start in range(0, 400, 8)),
    "The train was late again this morning, but I did not mind: the sun came out over the river.",
    "Café naïve, größer als 12,50 €; 我们很高兴 \N{GRINNING FACE}\N{FIRE} don't won't it's",
]
"""Lines to train a vocabulary on."""


def tokenizer_for(architecture: str) -> Any:
    """A new tokenizer, without a maximum length; its vocabulary is the same on every call."""
    return _MAKERS[architecture]()


def _word_pieces(special: tuple[str, ...]) -> dict[str, int]:
    pieces = [*special, *(piece for piece in vocabulary() if piece not in _SPECIAL["bert"])]
    return {piece: index for index, piece in enumerate(pieces)}


@lru_cache
def _bytes(*special: str) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of byte-level BPE."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=500, special_tokens=[*special], initial_alphabet=alphabet, show_progress=False
        ),
    )
    model = json.loads(made.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


@lru_cache
def _unigrams(*special: str) -> list[tuple[str, float]]:
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    unknown = next(token for token in special if "unk" in token.lower())
    made.train_from_iterator(
        CORPUS,
        trainers.UnigramTrainer(vocab_size=400, special_tokens=[*special], unk_token=unknown, show_progress=False),
    )
    return [(piece, score) for piece, score in json.loads(made.to_str())["model"]["vocab"]]


def _bert() -> Any:
    return BertTokenizer(vocab=_word_pieces(_SPECIAL["bert"]), do_lower_case=True)


def _mpnet() -> Any:
    special = ("<s>", "<pad>", "</s>", "[UNK]", "<mask>")
    return MPNetTokenizer(vocab=_word_pieces(special))


def _with_bytes(kind: Any, *special: str) -> Any:
    vocab, merges = _bytes(*special)
    return kind(vocab=dict(vocab), merges=[*merges])


def _modernbert() -> Any:
    """As published: the generic class, around a tokenizer.json."""
    vocab, merges = _bytes(*_SPECIAL["bert"])
    made = Tokenizer(models.BPE(vocab=dict(vocab), merges=[*merges]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.post_processor = BertTokenizer(vocab=dict(vocab)).backend_tokenizer.post_processor
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    special = dict(zip(names, _SPECIAL["bert"], strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=made, **special)  # type: ignore[no-untyped-call]


def _opt() -> Any:
    """As published: the class of GPT-2, with a padding token of its own."""
    vocab, merges = _bytes(*_SPECIAL["roberta"])
    names = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"}
    kind: Any = GPT2Tokenizer
    return kind(vocab=dict(vocab), merges=[*merges], **names)


@lru_cache
def _pieces() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of BPE over spaces that are characters, with a token for each byte."""
    made = Tokenizer(models.BPE(byte_fallback=True))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    made.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=600, special_tokens=special, show_progress=False)
    )
    model = json.loads(made.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def _llama() -> Any:
    """As published: without a padding token."""
    vocab, merges = _pieces()
    kind: Any = LlamaTokenizer
    return kind(vocab=dict(vocab), merges=[*merges])


_MAKERS: Final[dict[str, Callable[[], Any]]] = {
    "bert": _bert,
    "electra": _bert,
    "distilbert": _bert,
    "nystromformer": _bert,
    "mpnet": _mpnet,
    "roberta": lambda: _with_bytes(RobertaTokenizer, *_SPECIAL["roberta"]),
    "gpt2": lambda: _with_bytes(GPT2Tokenizer, "<|endoftext|>"),
    "opt": _opt,
    "llama": _llama,
    "deberta": lambda: _with_bytes(DebertaTokenizer, *_SPECIAL["bert"]),
    "modernbert": _modernbert,
    "xlm-roberta": lambda: XLMRobertaTokenizer(vocab=_unigrams(*_SPECIAL["roberta"])),
    "deberta-v2": lambda: DebertaV2Tokenizer(vocab=_unigrams(*_SPECIAL["bert"])),
    "albert": lambda: AlbertTokenizer(vocab=_unigrams(*_SPECIAL["albert"])),
}
