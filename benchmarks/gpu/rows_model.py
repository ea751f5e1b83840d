"""A sequence classifier of transformers that answers messages in rows, kept apart by a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.inference.engines.torch.packed_model import first_position, wrap_last_layer

if TYPE_CHECKING:
    from benchmarks.gpu.rows import RowsShape
    from shared.inference.engines.torch.packed_model import Parts


class RowsModel:
    """Changes `model` in place; like `PackedModel`, except for the layout."""

    def __init__(self, model: Any) -> None:
        self.first_position = first_position(model.config)
        model.set_attn_implementation("sdpa")  # transformers passes a 4-D mask to it unchanged
        wrap_last_layer(model, _LastLayer)
        self._model = model

    def __call__(self, slab: Tensor, shape: RowsShape) -> Tensor:
        """Logits `[shape.messages, labels]` in fp32, in the order of the messages, for a slab on the device."""
        messages, ids, positions, firsts = torch.split(slab, list(shape.parts))
        logits: Tensor = self._model(
            input_ids=ids.view(-1, shape.width),
            position_ids=positions.view(-1, shape.width).long(),
            attention_mask=self._mask(messages.view(-1, shape.width)),
            first_tokens=firsts,
        ).logits
        return logits.float()

    def _mask(self, messages: Tensor) -> Tensor:
        """0 within a message, the lowest number between messages: `[rows, 1, width, width]`, for all layers.

        In the model's dtype: a bool mask would be converted in every layer.
        """
        across = messages[:, None, :, None] != messages[:, None, None, :]
        mask = torch.zeros(across.shape, dtype=self._model.dtype, device=messages.device)
        return mask.masked_fill_(across, torch.finfo(mask.dtype).min)


class _LastLayer(nn.Module):
    """Wraps the last layer: queries, keys and values for all tokens, the rest for first tokens only.

    The mask is for each slot, so that all tokens are queries: 18 of the layer's 24 H^2 multiplications per token
    are saved, where the layout of `PackedModel` saves 20.
    """

    def __init__(self, layer: nn.Module, parts: Parts) -> None:
        super().__init__()
        self.layer = layer  # keeps the weights where `to` finds them
        self._parts = parts

    def forward(self, hidden_states: Tensor, mask: Tensor, *_: Any, first_tokens: Tensor, **__: Any) -> Tensor:
        """`[rows, width, hidden]` in, `[messages, 1, hidden]` out."""
        parts = self._parts
        query, key, value = (
            project(hidden_states).unflatten(-1, (-1, parts.head_size)).transpose(1, 2)
            for project in (parts.query, parts.key, parts.value)
        )
        attended = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, scale=parts.head_size**-0.5
        )
        context = attended.transpose(1, 2).flatten(2).flatten(0, 1)
        return parts.finish(context[first_tokens], hidden_states.flatten(0, 1)[first_tokens]).unsqueeze(1)
