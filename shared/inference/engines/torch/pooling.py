"""A classifier that reads the mean over the tokens of a text, in place of what its architecture reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers.modeling_outputs import SequenceClassifierOutput

if TYPE_CHECKING:
    from collections.abc import Sequence


class MeanPooled(torch.nn.Module):
    """Wraps a sequence classifier of transformers: its output layer gets the pooled states of the encoder.

    Other layers of its head, such as the pooler of BERT, are skipped. Called as the classifier is.
    """

    def __init__(self, classifier: Any, layers: Sequence[int]) -> None:
        """`layers` as in the manifest."""
        super().__init__()
        self.classifier = classifier
        self.config = classifier.config
        self._output = output_layer(classifier)
        self._layers = tuple(layers)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = self.classifier.device
        return device

    def pooled(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """`[rows, width]`: the mean over the layers and over the tokens of a row, special tokens included."""
        states = self.classifier.base_model(
            input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True
        ).hidden_states
        mean = sum(states[layer] for layer in self._layers) / len(self._layers)
        weights = attention_mask.unsqueeze(-1).to(mean.dtype)
        pooled: torch.Tensor = (mean * weights).sum(1) / weights.sum(1)
        return pooled

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SequenceClassifierOutput:
        """`logits` `[rows, labels]`."""
        return SequenceClassifierOutput(logits=self._output(self.pooled(input_ids, attention_mask)))


def output_layer(classifier: Any) -> torch.nn.Linear:
    """The last linear layer of a sequence classifier, which has an output for each label.

    Raises ValueError if there is none outside of the encoder.
    """
    encoder = set(classifier.base_model.modules())
    found = [
        module
        for module in classifier.modules()
        if isinstance(module, torch.nn.Linear)
        and module not in encoder
        and module.out_features == classifier.config.num_labels
    ]
    if not found:
        raise ValueError("the classifier has no linear output layer")
    return found[-1]
