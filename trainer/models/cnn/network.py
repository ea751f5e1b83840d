"""The network that torch trains; `shared.inference.cnn` computes the same without it, and a test compares both."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import nn

from shared.inference.cnn.model import EDGE, FIRST, Cnn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# All as in the paper, with embeddings of a third: training texts are few.
WIDTHS: Final = (3, 4, 5)
FILTERS: Final = 100
"""Of each width."""
SIZE: Final = 100
DROPOUT: Final = 0.5
SPREAD: Final = 0.25
"""Embeddings begin uniform between plus and minus this."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the training loop reads of a pass."""

    logits: torch.Tensor


class Network(nn.Module):
    """Takes rows as a transformer does, so that one loop trains both."""

    def __init__(self, words: int, labels: int) -> None:
        """Draws the first weights from torch's generator."""
        super().__init__()
        self.config = SimpleNamespace(num_labels=labels)
        self.embeddings = nn.Embedding(FIRST + words, SIZE, padding_idx=EDGE)
        nn.init.uniform_(self.embeddings.weight, -SPREAD, SPREAD)
        with torch.no_grad():
            self.embeddings.weight[EDGE] = 0
        self.filters = nn.ModuleList(nn.Conv1d(SIZE, FILTERS, width) for width in WIDTHS)
        self.dropout = nn.Dropout(DROPOUT)
        self.output = nn.Linear(len(WIDTHS) * FILTERS, labels)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Answer:
        """`[rows, longest]` each; a row has a word at least."""
        edge = max(WIDTHS) - 1
        lengths = attention_mask.sum(dim=1, keepdim=True)
        line = nn.functional.pad(input_ids * attention_mask, (edge, edge), value=EDGE)
        embedded = self.embeddings(line).transpose(1, 2)
        found = []
        for width, filters in zip(WIDTHS, self.filters, strict=True):
            answers = filters(embedded)
            first = torch.arange(answers.shape[2], device=line.device)
            # Where the filter sees a word of its text; the others would depend on the rest of the batch.
            sees = (first > edge - width) & (first < edge + lengths)
            found.append(answers.masked_fill(~sees[:, None], -torch.inf).amax(dim=2).relu())
        return Answer(self.output(self.dropout(torch.cat(found, dim=1))))

    def as_arrays(self, words: Sequence[str]) -> Cnn:
        """The trained network in the form that is kept; `words` are those of the embeddings, in their order."""
        filters: dict[int, Any] = dict(zip(WIDTHS, self.filters, strict=True))
        return Cnn(
            tuple(words),
            _array(self.embeddings.weight),
            {width: _array(one.weight.permute(2, 1, 0)) for width, one in filters.items()},
            {width: _array(one.bias) for width, one in filters.items()},
            _array(self.output.weight.T),
            _array(self.output.bias),
        )


def _array(weights: torch.Tensor) -> NDArray[np.float32]:
    # In rows: safetensors writes the memory of an array and ignores that it is transposed.
    return np.ascontiguousarray(weights.detach().cpu().numpy(), np.float32)
