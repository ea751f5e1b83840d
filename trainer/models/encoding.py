"""From texts to padded batches of tokens, for training and for scoring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from shared.text import DEFAULT_OPTIONS, NormaliserOptions, normalise

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trainer.data.examples import Examples, IntArray

Tokens = list[list[int]]

POOL_BATCHES: Final = 50
"""Batches that share one sort by length: enough to save most padding, few enough to stay shuffled."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids and labels of a data set, ready for the model."""

    tokens: Tokens
    labels: IntArray
    pad_id: int

    def __len__(self) -> int:
        """Rows."""
        return len(self.tokens)


def tokenise(
    tokenizer: Any, texts: Sequence[str], max_tokens: int, options: NormaliserOptions = DEFAULT_OPTIONS
) -> Tokens:
    """Normalises and tokenises; special tokens included, truncated to `max_tokens`, not padded."""
    clean = [normalise(text, options) for text in texts]
    encoded = tokenizer(
        clean,
        truncation=True,
        max_length=max_tokens,
        padding=False,
        return_attention_mask=False,
        return_token_type_ids=False,
    )
    return list(encoded["input_ids"])


def encode(tokenizer: Any, examples: Examples, max_tokens: int) -> Encoded:
    """Tokenises labelled texts."""
    return Encoded(tokenise(tokenizer, examples.texts, max_tokens), examples.labels, tokenizer.pad_token_id)


def pad(tokens: Sequence[Sequence[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Stacks rows into ids and attention mask, both [rows, longest], on the CPU."""
    longest = max(map(len, tokens))
    ids = torch.full((len(tokens), longest), pad_id, dtype=torch.long)
    mask = torch.zeros((len(tokens), longest), dtype=torch.long)
    for row, found in enumerate(tokens):
        ids[row, : len(found)] = torch.tensor(found, dtype=torch.long)
        mask[row, : len(found)] = 1
    return ids, mask


def training_batches(tokens: Tokens, batch_size: int, seed: Sequence[int]) -> list[IntArray]:
    """Deals all rows into batches of alike lengths, in an order that depends on `seed` alone."""
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


def scoring_batches(tokens: Tokens, padded_tokens: int) -> Iterator[IntArray]:
    """Cuts all rows, longest first, into batches of at most `padded_tokens` with the padding counted."""
    order = np.argsort([-len(row) for row in tokens], kind="stable")
    start = 0
    while start < len(order):
        size = max(1, padded_tokens // max(1, len(tokens[order[start]])))
        yield order[start : start + size]
        start += size
