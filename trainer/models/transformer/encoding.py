"""Turns labelled texts into batches of token ids, for training."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from tokenizers import Tokenizer

from shared.errors import InputDataError
from shared.inference.engines.base import pad
from shared.inference.probe.texts import PROBE_TEXTS
from shared.inference.tokenization.tokenise import FILE, Tokeniser
from shared.inference.types import Unscorable
from shared.text import DEFAULT_OPTIONS, normalise
from trainer.models.pretrained.tokenizer import ids_by_transformers, load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.engines.base import Ids
    from shared.text import NormaliserOptions
    from trainer.data.examples import Examples, IntArray

POOL_BATCHES: Final = 50
"""Batches that are sorted by length together: enough to avoid most padding, few enough to stay shuffled."""

ODD_TEXTS: Final = (
    "ok",
    "so good </s> [SEP] <|endoftext|> [MASK] it hurts",
    "  Two  spaces,\ttabs\nand lines  ",
    "Caf\u00e9 nai\u0308ve \N{GRINNING FACE}\N{FIRE} DON'T",
    "a-b_c/d.e,f " * 40,
)
"""Texts in which tokenizers differ: control tokens, white space, accents, emoji, and one that may be truncated."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids and labels of a data set, ready for the model."""

    tokens: list[Ids]
    labels: IntArray
    pad_id: int

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.tokens)

    @property
    def size(self) -> int:
        """Number of tokens."""
        return sum(map(len, self.tokens))

    def take(self, rows: int) -> Encoded:
        """The first rows."""
        return Encoded(self.tokens[:rows], self.labels[:rows], self.pad_id)


def tokenise(
    tokenizer: Any, texts: Sequence[str], max_tokens: int, options: NormaliserOptions = DEFAULT_OPTIONS
) -> list[Ids]:
    """Normalises and tokenises as the consumer does; raises InputDataError for a text that cannot be tokenised.

    `tokenizer` is a fast tokenizer of transformers. Rows include special tokens and are truncated to `max_tokens`.
    """
    rows = Tokeniser(tokenizer.backend_tokenizer, max_tokens).rows([normalise(text, options) for text in texts])
    ids: list[Ids] = []
    for number, row in enumerate(rows):
        if isinstance(row, Unscorable):
            raise InputDataError(f"text {number} of {len(texts)} cannot be tokenised ({row.reason}); take it out")
        ids.append(row.ids)
    return ids


def encode(
    tokenizer: Any, examples: Examples, max_tokens: int, options: NormaliserOptions = DEFAULT_OPTIONS
) -> Encoded:
    """Normalises and tokenises labelled texts."""
    tokens = tokenise(tokenizer, examples.texts, max_tokens, options)
    return Encoded(tokens, examples.labels, tokenizer.pad_token_id)


def check_served_ids(
    tokenizer: Any,
    texts: Sequence[str],
    max_tokens: int,
    name: str,
    options: NormaliserOptions = DEFAULT_OPTIONS,
) -> None:
    """Raises InputDataError unless the saved tokenizer gives the ids of training, and so does transformers.

    It compares ordinary texts, odd ones and `texts`, which the model is trained on: before it is trained.
    """
    probes = [normalise(text, options) for text in (*PROBE_TEXTS, *ODD_TEXTS, *texts)]
    trained = [ids.tolist() for ids in tokenise(tokenizer, probes, max_tokens, options)]
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        saved = Tokeniser(Tokenizer.from_file(f"{folder}/{FILE}"), max_tokens).rows(probes)
        plain = ids_by_transformers(load_tokenizer(Path(folder)), probes, max_tokens)
    served = [[] if isinstance(row, Unscorable) else row.ids.tolist() for row in saved]
    if served != trained or plain != trained:
        raise InputDataError(
            f"{name}: its tokenizer gives other token ids in transformers, or saved as tokenizer.json, than in "
            "training, so the model would serve what it was not trained on; save the tokenizer without settings "
            "that act in tokenizer_config.json only"
        )


def padded(rows: Sequence[Ids], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and attention mask of a batch, both `[rows, longest]`, on the CPU."""
    ids, lengths = pad(rows, pad_id)
    mask = np.arange(ids.shape[1]) < lengths[:, None]
    return torch.from_numpy(ids).long(), torch.from_numpy(mask).long()


def training_batches(tokens: Sequence[Ids], batch_size: int, seed: Sequence[int]) -> list[IntArray]:
    """Divides all rows into batches of similar lengths, in an order that depends only on `seed`."""
    shuffle = np.random.default_rng(seed)
    lengths = np.array([len(row) for row in tokens])
    order = shuffle.permutation(len(tokens))
    batches: list[IntArray] = []
    pool_size = batch_size * POOL_BATCHES
    for start in range(0, len(order), pool_size):
        pool = order[start : start + pool_size]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[cut : cut + batch_size] for cut in range(0, len(pool), batch_size)]
    return [batches[index] for index in shuffle.permutation(len(batches))]
