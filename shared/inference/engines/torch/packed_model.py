"""Changes a sequence classifier of transformers so that it answers many messages in one sequence.

Two things differ from the stock model: attention stays within a message, and the last layer is computed for first
tokens only, so that the stock head gets one of them per message and returns `[messages, labels]`. Both are exact.
Tested on a CPU against one message at a time, with a loop for `varlen_attn`, which runs on CUDA only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.inference.engines.torch.packing import Shape
    from shared.model_folder.artifact import Artifact

    Attention = Callable[..., Tensor]
    """PyTorch's `varlen_attn`, or a function with its interface: query, key and value `[tokens, heads, size]`,
    cu_seq_q, cu_seq_k, max_q, max_k and scale; returns `[tokens, heads, size]`."""

_BERT: Final = frozenset({"bert", "electra"})
_ROBERTA: Final = frozenset({"roberta", "xlm-roberta"})
_DISTILBERT: Final = frozenset({"distilbert"})
_ATTENTION: Final = "packed_messages"
"""Our name in transformers' AttentionInterface. It has no entry among the mask functions, so transformers makes no
mask."""


def supports(artifact: Artifact) -> bool:
    """Whether it is a BERT, ELECTRA, RoBERTa, XLM-RoBERTa or DistilBERT, without pooling."""
    config = artifact.config()
    return (
        artifact.manifest.pooling is None
        and config.get("model_type") in _BERT | _ROBERTA | _DISTILBERT
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder", False)
        and not config.get("add_cross_attention", False)
    )


def first_position(config: Any) -> int:
    """Position of a message's first token: RoBERTa starts after the position of padding."""
    return int(config.pad_token_id) + 1 if config.model_type in _ROBERTA else 0


def longest_message(artifact: Artifact, config: Any) -> int:
    """Maximum tokens of a message: those that the folder allows, or that the model has positions for."""
    return min(artifact.manifest.max_tokens, int(config.max_position_embeddings) - first_position(config))


class PackedModel:
    """Changes `model` in place: from then on it runs packed passes only. Any number of threads may call it."""

    def __init__(self, model: Any, attention: Attention) -> None:
        self.first_position = first_position(model.config)
        self.vocabulary: int = model.get_input_embeddings().num_embeddings
        model.set_attn_implementation(_ATTENTION)
        wrap_last_layer(model, _LastLayer)
        self._model = model
        self._attention = attention

    def __call__(self, slab: Tensor, shape: Shape) -> Tensor:
        """Logits `[shape.messages, labels]` in fp32, in the order of the messages, for a slab on the device.

        No value is read back from the device, which would wait for it.
        """
        bounds, ids, positions = torch.split(slab, list(shape.parts))
        logits: Tensor = self._model(
            input_ids=ids[None],
            position_ids=positions[None].long(),  # BERT gathers with them, which int32 cannot
            first_tokens=bounds[:-1],
            cu_seq_lens_q=bounds,
            cu_seq_lens_k=bounds,
            max_length_q=shape.longest,
            max_length_k=shape.longest,
            kernel=self._attention,
        ).logits
        return logits.float()


def _attend(  # noqa: PLR0917 - the interface of transformers
    _module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _attention_mask: Tensor | None,
    scaling: float,
    kernel: Attention | None = None,
    cu_seq_lens_q: Tensor | None = None,
    cu_seq_lens_k: Tensor | None = None,
    max_length_q: int | None = None,
    max_length_k: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention within messages, `[1, heads, tokens, size]` in, `[1, tokens, heads, size]` out.

    Raises ValueError without the bounds: every token would attend to every message.
    """
    if kernel is None or cu_seq_lens_q is None or cu_seq_lens_k is None:
        raise ValueError("a pass without the bounds of its messages: they would attend to each other")
    query, key, value = (part[0].transpose(0, 1) for part in (query, key, value))
    bounds = (cu_seq_lens_q, cu_seq_lens_k, max_length_q, max_length_k)
    return kernel(query, key, value, *bounds, scale=scaling)[None], None


AttentionInterface.register(_ATTENTION, _attend)


def wrap_last_layer(model: Any, wrapper: Callable[[nn.Module, Parts], nn.Module]) -> None:
    """Replaces the last layer of the model by `wrapper` of it and its modules."""
    if model.config.model_type in _DISTILBERT:
        layers, parts_of = model.base_model.transformer.layer, _distilbert_parts
    else:
        layers, parts_of = model.base_model.encoder.layer, _bert_parts
    layers[-1] = wrapper(layers[-1], parts_of(layers[-1]))


@dataclass(frozen=True, slots=True)
class Parts:
    """The modules of a layer, with the same names for all architectures."""

    query: nn.Module
    key: nn.Module
    value: nn.Module
    head_size: int
    finish: Callable[[Tensor, Tensor], Tensor]
    """Everything after attention, from its output and the input of the layer, both `[messages, hidden]`."""


def _bert_parts(layer: Any) -> Parts:
    """The modules of BERT, ELECTRA and RoBERTa, whose layers have the same names."""
    attention, output = layer.attention.self, layer.attention.output

    def finish(context: Tensor, before: Tensor) -> Tensor:
        out: Tensor = layer.feed_forward_chunk(output(context, before))
        return out

    return Parts(attention.query, attention.key, attention.value, attention.attention_head_size, finish)


def _distilbert_parts(layer: Any) -> Parts:
    attention = layer.attention

    def finish(context: Tensor, before: Tensor) -> Tensor:
        attended = layer.sa_layer_norm(attention.out_lin(context) + before)
        out: Tensor = layer.output_layer_norm(layer.ffn.ff_chunk(attended) + attended)
        return out

    return Parts(attention.q_lin, attention.k_lin, attention.v_lin, attention.attention_head_size, finish)


class _LastLayer(nn.Module):
    """Wraps the last layer: keys and values for all tokens, everything else for first tokens only.

    This saves 20 of the layer's 24 H^2 multiplications per token, minus the cost of the first tokens: nearly 7 %
    of BERT-base and 13 % of a model of six layers at 25 tokens a message.
    """

    def __init__(self, layer: nn.Module, parts: Parts) -> None:
        super().__init__()
        self.layer = layer  # keeps the weights where `to` finds them
        self._parts = parts

    def forward(self, hidden_states: Tensor, *_: Any, first_tokens: Tensor, **packing: Any) -> Tensor:
        """`[1, tokens, hidden]` in, `[messages, 1, hidden]` out."""
        parts = self._parts
        first = hidden_states[0, first_tokens]
        query, key, value = (
            project(states).unflatten(-1, (-1, parts.head_size)).transpose(1, 2)
            for project, states in (
                (parts.query, first[None]),
                (parts.key, hidden_states),
                (parts.value, hidden_states),
            )
        )
        one_each = torch.arange(len(first) + 1, dtype=torch.int32, device=first.device)
        packing |= {"cu_seq_lens_q": one_each, "max_length_q": 1}
        attended, _weights = _attend(self, query, key, value, None, parts.head_size**-0.5, **packing)
        return parts.finish(attended[0].flatten(1), first).unsqueeze(1)
