"""Changes a sequence classifier of transformers so that it answers many messages in one sequence.

Two things differ from the stock model: attention stays within a message, and the last layer is computed for first
tokens only, so that the stock head gets one of them per message and returns `[messages, labels]`. Both are exact.
Tested on a CPU against one message at a time; `varlen_attn` itself runs on CUDA only and has never run in this
project.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.inference.engines.torch.packing import Shape
    from shared.model_folder.artifact import Artifact

    Kernel = Callable[..., Tensor]
    """PyTorch's `varlen_attn`, or a function with its interface: query, key and value `[tokens, heads, size]`,
    cu_seq_q, cu_seq_k, max_q, max_k and scale; returns `[tokens, heads, size]`."""

_BERT: Final = frozenset({"bert", "electra"})
_ROBERTA: Final = frozenset({"roberta", "xlm-roberta"})
_DISTILBERT: Final = frozenset({"distilbert"})
_ATTENTION: Final = "packed_messages"
"""Our name in transformers' AttentionInterface. It has no entry among the mask functions, so transformers passes a
4-D mask through unchanged and does not make one itself."""


def supports(artifact: Artifact) -> bool:
    """Whether the architecture is supported: BERT, ELECTRA, RoBERTa, XLM-RoBERTa or DistilBERT."""
    config = artifact.config()
    return (
        config.get("model_type") in _BERT | _ROBERTA | _DISTILBERT
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder", False)
        and not config.get("add_cross_attention", False)
    )


def first_position(config: Any) -> int:
    """Position of a message's first token: RoBERTa starts after the position of padding."""
    return int(config.pad_token_id) + 1 if config.model_type in _ROBERTA else 0


class PackedModel:
    """Changes `model` in place: from then on it runs packed passes only. Any number of threads may call it."""

    def __init__(self, model: Any, kernel: Kernel) -> None:
        config = model.config
        self.first_position = first_position(config)
        self.vocabulary: int = model.get_input_embeddings().num_embeddings
        model.set_attn_implementation(_ATTENTION)
        base = model.base_model
        if config.model_type in _DISTILBERT:
            layers, parts_of = base.transformer.layer, _distilbert_parts
        else:
            layers, parts_of = base.encoder.layer, _bert_parts
        layers[-1] = _LastLayer(layers[-1], parts_of(layers[-1]))
        self._model = model
        self._kernel = kernel

    def __call__(self, slab: Tensor, shape: Shape) -> Tensor:
        """Logits `[shape.messages, labels]` in fp32, in the order of the messages, for a slab on the device.

        It works with `torch.compile` and CUDA graphs: no value is read back from the device.
        """
        bounds, ids, positions, firsts = torch.split(slab, list(shape.parts))
        width = shape.slots if shape.flat else shape.longest
        packing: dict[str, Any] = {"attention_mask": None if shape.flat else self._mask(bounds.view(-1, width))}
        if shape.flat:
            packing |= {"cu_seq_lens_q": bounds, "cu_seq_lens_k": bounds}
            packing |= {"max_length_q": shape.longest, "max_length_k": shape.longest, "kernel": self._kernel}
        logits: Tensor = self._model(
            input_ids=ids.view(-1, width),
            position_ids=positions.view(-1, width).long(),  # BERT gathers with them, which int32 cannot
            first_tokens=firsts,
            **packing,
        ).logits
        return logits.float()

    def _mask(self, messages: Tensor) -> Tensor:
        """0 within a message, the lowest number between messages: `[rows, 1, width, width]`, for all layers.

        In the model's dtype: a bool mask would be converted in every layer.
        """
        across = messages[:, None, :, None] != messages[:, None, None, :]
        mask = torch.zeros(across.shape, dtype=self._model.dtype, device=messages.device)
        return mask.masked_fill_(across, torch.finfo(mask.dtype).min)


def _attend(  # noqa: PLR0917 - the interface of transformers
    _module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    kernel: Kernel | None = None,
    cu_seq_lens_q: Tensor | None = None,
    cu_seq_lens_k: Tensor | None = None,
    max_length_q: int | None = None,
    max_length_k: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention within messages, `[batch, heads, tokens, size]` in, `[batch, tokens, heads, size]` out.

    Raises ValueError if it gets neither a mask nor bounds: every token would attend to every message.
    """
    if attention_mask is not None:
        out = functional.scaled_dot_product_attention(query, key, value, attn_mask=attention_mask, scale=scaling)
        return out.transpose(1, 2), None
    if kernel is None or cu_seq_lens_q is None or cu_seq_lens_k is None:
        raise ValueError("neither a mask nor the bounds of the messages: they would attend to each other")
    query, key, value = (part[0].transpose(0, 1) for part in (query, key, value))
    bounds = (cu_seq_lens_q, cu_seq_lens_k, max_length_q, max_length_k)
    return kernel(query, key, value, *bounds, scale=scaling)[None], None


AttentionInterface.register(_ATTENTION, _attend)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The modules of a layer, with the same names for all architectures."""

    query: nn.Module
    key: nn.Module
    value: nn.Module
    head_size: int
    finish: Callable[[Tensor, Tensor], Tensor]
    """Everything after attention, from its output and the input of the layer, both `[messages, hidden]`."""


def _bert_parts(layer: Any) -> _Parts:
    """The modules of BERT, ELECTRA and RoBERTa, whose layers have the same names."""
    attention, output = layer.attention.self, layer.attention.output

    def finish(context: Tensor, before: Tensor) -> Tensor:
        out: Tensor = layer.feed_forward_chunk(output(context, before))
        return out

    return _Parts(attention.query, attention.key, attention.value, attention.attention_head_size, finish)


def _distilbert_parts(layer: Any) -> _Parts:
    attention = layer.attention

    def finish(context: Tensor, before: Tensor) -> Tensor:
        attended = layer.sa_layer_norm(attention.out_lin(context) + before)
        out: Tensor = layer.output_layer_norm(layer.ffn.ff_chunk(attended) + attended)
        return out

    return _Parts(attention.q_lin, attention.k_lin, attention.v_lin, attention.attention_head_size, finish)


class _LastLayer(nn.Module):
    """Wraps the last layer: keys and values for all tokens, the rest for first tokens only, if that is simple.

    In the flat layout only first tokens are queries; in rows all tokens are, since the mask is per slot. This
    saves 20 (in rows 18) of the layer's 24 H^2 multiplications per token, minus the cost of the first tokens:
    nearly 7 % of BERT-base and 13 % of a model of six layers at 25 tokens a message.
    """

    def __init__(self, layer: nn.Module, parts: _Parts) -> None:
        super().__init__()
        self.layer = layer  # keeps the weights where `to` finds them
        self._parts = parts

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        *_: Any,
        first_tokens: Tensor,
        **packing: Any,
    ) -> Tensor:
        """`[batch, tokens, hidden]` in, `[messages, 1, hidden]` out."""
        parts = self._parts
        first = hidden_states.flatten(0, 1)[first_tokens]
        queries = hidden_states
        if attention_mask is None:
            queries = first[None]
            counted = torch.arange(len(first_tokens) + 1, dtype=torch.int32, device=first.device)
            packing |= {"cu_seq_lens_q": counted, "max_length_q": 1}
        query, key, value = (
            project(states).unflatten(-1, (-1, parts.head_size)).transpose(1, 2)
            for project, states in (
                (parts.query, queries),
                (parts.key, hidden_states),
                (parts.value, hidden_states),
            )
        )
        attended, _weights = _attend(self, query, key, value, attention_mask, parts.head_size**-0.5, **packing)
        context = attended.flatten(2).flatten(0, 1)
        return parts.finish(context if attention_mask is None else context[first_tokens], first).unsqueeze(1)


def attend_by_message(  # noqa: PLR0917 - the interface of `varlen_attn`
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor,
    max_q: int,
    max_k: int,
    *,
    scale: float,
) -> Tensor:
    """Replaces `varlen_attn`, which a CPU does not have, message by message; for tests of everything else.

    Tokens outside of messages get NaN, to show that nothing depends on them; the kernel leaves them unchanged.
    """
    out = torch.full_like(query, torch.nan)
    spans = zip(pairwise(cu_seq_q.tolist()), pairwise(cu_seq_k.tolist()), strict=True)
    for (start_q, end_q), (start_k, end_k) in spans:
        if end_q - start_q > max_q or end_k - start_k > max_k:
            raise ValueError("a message is longer than the pass was said to have")
        if start_k < end_k:
            queries, keys, values = query[start_q:end_q], key[start_k:end_k], value[start_k:end_k]
            weights = torch.einsum("qhd,khd->hqk", queries, keys).mul(scale).softmax(dim=-1)
            out[start_q:end_q] = torch.einsum("hqk,khd->qhd", weights, values)
    return out
