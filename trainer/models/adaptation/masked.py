"""What masked language modelling puts into the training loop: a model that masks its input, its loss, its scores.

The loop gives a model token ids and takes logits. Here the "logits" of a row are the sum of its losses and the
number of its masked tokens, so that the loop need not know that there is a loss for each token.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import torch
from torch import nn
from transformers import DataCollatorForLanguageModeling

from shared.inference.batching import make_batches
from trainer.models.transformer.encoding import Encoded, padded
from trainer.models.transformer.predict import BATCH_TOKENS
from trainer.models.transformer.step import autocast
from trainer.models.transformer.training_state import Scores, TrainingConfig, TrainingState

if TYPE_CHECKING:
    from trainer.data.examples import IntArray

MASKED: Final = 0.15
"""Share of the tokens that are guessed, as in BERT; of these 80 % are masked, 10 % replaced and 10 % kept."""
_IGNORED: Final = -100
"""The label of a token that is not guessed, in transformers."""


class _Losses(NamedTuple):
    """As the loop expects it."""

    logits: torch.Tensor
    """`[rows, 2]`: the sum of the losses of a row's masked tokens, and their number."""


class MaskedModel(nn.Module):
    """Masks tokens at random, with torch's generator of the CPU, and guesses them."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        """Takes a masked language model of transformers and its tokenizer."""
        super().__init__()
        self.model = model
        self._collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=MASKED)
        self._special = torch.tensor(sorted(tokenizer.all_special_ids))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> _Losses:
        """Both are `[rows, tokens]`."""
        device, ids = input_ids.device, input_ids.cpu()  # on which the collator of transformers draws
        masked, labels = self._collator.torch_mask_tokens(
            ids.clone(), special_tokens_mask=torch.isin(ids, self._special)
        )
        logits = self.model(input_ids=masked.to(device), attention_mask=attention_mask).logits
        losses = nn.functional.cross_entropy(
            logits.float().flatten(0, 1),
            labels.to(device).flatten(),
            ignore_index=_IGNORED,
            reduction="none",
        )
        count = (labels != _IGNORED).sum(dim=1).to(device)
        return _Losses(torch.stack([losses.view(ids.shape).sum(dim=1), count], dim=1))


class MaskedLoss:
    """The sum of the losses of masked tokens, divided by how many are masked on average."""

    def __init__(self, maskable: IntArray, vocabulary: int) -> None:
        """Takes the number of tokens of each row that may be masked, and the size of the vocabulary."""
        self._maskable = maskable
        self.guessing = math.log(vocabulary)

    def __call__(self, logits: torch.Tensor, rows: IntArray) -> torch.Tensor:
        """As in Loss."""
        del rows
        return logits[:, 0].sum()

    def weight(self, rows: IntArray) -> float:
        """As in Loss: known before tokens are masked, and the same however rows are divided into passes."""
        return MASKED * float(self._maskable[rows].sum())


def maskable_tokens(rows: Encoded, tokenizer: Any) -> IntArray:
    """The number of tokens of each row that are not special."""
    special = np.array(sorted(tokenizer.all_special_ids))
    return np.array([int((~np.isin(ids, special)).sum()) for ids in rows.tokens], dtype=np.int64)


def measure_masked(state: TrainingState, held_out: Encoded, config: TrainingConfig) -> Scores:
    """The loss of the weights that would be kept, in the precision of training."""
    with autocast(state.device, config):
        return Scores(held_out_loss(state.average, held_out, state.device, config.seed))


def held_out_loss(model: MaskedModel, rows: Encoded, device: str, seed: int) -> float:
    """The mean loss of a masked token; the same tokens are masked at every call, and no random state changes."""
    model.to(device).eval()
    found = np.zeros(2)
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.default_generator.manual_seed(seed)
        for batch in make_batches([len(row) for row in rows.tokens], BATCH_TOKENS, padding=BATCH_TOKENS):
            ids, mask = padded([rows.tokens[row] for row in batch], rows.pad_id)
            found += model(ids.to(device), mask.to(device)).logits.double().sum(dim=0).cpu().numpy()
    return float(found[0] / max(found[1], 1))
