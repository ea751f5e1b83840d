"""A BERT classifier as an OpenVINO graph without operations that a score does not need. Algebraically exact.

Unless the manifest pools, only the first token, [CLS], of the last layer reaches the classifier: that layer
computes keys and values for all tokens, and the rest for [CLS]. The token type is constant, so its embedding is
added to the position embeddings beforehand. The graph is built from the weights in a fraction of a second, so no
converted model has to be stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from shared.errors import ArtifactError
from shared.inference.engines.openvino.bert_shape import read_weights
from shared.inference.engines.openvino.relative_bias import by_distance
from shared.inference.engines.openvino.runtime import openvino, opset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.engines.openvino.bert_shape import Shape, Weights
    from shared.model_folder.artifact import Artifact

Node = Any

MASKED: Final = -1e9
"""Added to the attention scores of padding, whose weight is then 0 in fp32 and in bf16."""

_ACTIVATIONS: Final = {
    "gelu": lambda rows: opset.gelu(rows, "erf"),
    "gelu_new": lambda rows: opset.gelu(rows, "tanh"),
    "relu": opset.relu,
    "tanh": opset.tanh,
}


def build(artifact: Artifact, shape: Shape) -> Any:
    """Builds the graph of a checked model folder, an `openvino.Model`.

    Inputs are `ids` `[rows, tokens]` and `lengths` `[rows]`, int32; the output is `logits` `[rows, labels]`,
    fp32. Ids after a row's length have no effect, but must be valid token ids. Raises ArtifactError if weights are
    missing or have another shape, UnknownArchitecture if their dtype is unknown.
    """
    graph = _Graph(shape, read_weights(artifact))
    try:
        model = graph.model()
    except KeyError as error:
        raise ArtifactError(f"{artifact.path} lacks weights such as {error.args[0]}; train it again") from None
    except RuntimeError:  # from OpenVINO, if shapes do not fit; its message is a page long
        model = None
    if model is None or model.output("logits").partial_shape[1] != shape.labels:
        raise ArtifactError(f"{artifact.path}: the shapes of the weights do not match config.json; train it again")
    return model


class _Graph:
    """Composes the operations; tensors of tokens are `[rows, tokens, width]`."""

    def __init__(self, shape: Shape, weights: Weights) -> None:
        self._shape = shape
        self._weights = weights

    def model(self) -> Any:
        """The whole model; raises KeyError for missing weights."""
        layout = self._shape.layout
        ids, lengths = _input("ids", [-1, -1]), _input("lengths", [-1])
        mask = self._bias(ids, _mask(ids, lengths))
        *inner, last = (f"{layout.body}.{layout.layer}.{index}" for index in range(self._shape.layers))
        tokens = self._embeddings(ids)
        dense, activation, output = layout.head
        if self._shape.pooled_layers:
            pooled = self._mean([*inner, last], tokens, mask, ids, lengths)
        else:
            for name in inner:
                tokens = self._layer(name, tokens, tokens, mask)
            if layout.distances:
                mask = opset.slice(mask, [0], [1], [1], [2])
            first = self._layer(last, opset.slice(tokens, [0], [1], [1], [1]), tokens, mask)
            pooled = _ACTIVATIONS[activation](self._linear(dense, opset.squeeze(first, [1])))
        logits = self._linear(output, pooled)
        logits.output(0).set_names({"logits"})
        return openvino.Model([opset.result(logits)], [ids, lengths], "lean_bert")

    def _mean(self, names: Sequence[str], tokens: Node, mask: Node, ids: Node, lengths: Node) -> Node:
        """The mean over the pooled layers and the tokens of each row, `[rows, width]`."""
        wanted = self._shape.pooled_layers
        total = None
        for number, name in enumerate(names[: max(wanted)], 1):
            tokens = self._layer(name, tokens, tokens, mask)
            if number in wanted:
                total = tokens if total is None else opset.add(total, tokens)
        if total is None or max(wanted) > len(names):
            raise KeyError(f"layer {max(wanted)}")
        own = opset.convert(opset.less(_places(ids), opset.unsqueeze(lengths, [1])), "f32")
        summed = opset.reduce_sum(opset.multiply(total, opset.unsqueeze(own, [2])), [1])
        count = opset.multiply(opset.convert(opset.unsqueeze(lengths, [1]), "f32"), np.float32(len(wanted)))
        return opset.divide(summed, count)

    def _embeddings(self, ids: Node) -> Node:
        body = self._shape.layout.body
        table = self._weights[f"{body}.embeddings.position_embeddings.weight"]
        types = self._weights.get(f"{body}.embeddings.token_type_embeddings.weight")
        positions = self._positions(ids, opset.constant(table if types is None else table + types[0]))
        words = opset.gather(self._constant(f"{body}.embeddings.word_embeddings.weight"), ids, np.int32(0))
        tokens = self._norm(f"{body}.embeddings.LayerNorm", opset.add(words, positions))
        if f"{body}.embeddings_project.weight" in self._weights:  # an ELECTRA with narrow embeddings
            return self._linear(f"{body}.embeddings_project", tokens)
        return tokens

    def _positions(self, ids: Node, table: Node) -> Node:
        """The position embedding of each token, a row of `table`."""
        if not self._shape.layout.counts_positions:
            return opset.slice(table, [0], opset.unsqueeze(_tokens(ids), [0]), [1], [0])
        uncounted = np.int32(self._shape.uncounted)
        counted = opset.convert(opset.not_equal(ids, uncounted), "i32")
        places = opset.multiply(opset.cum_sum(counted, np.int32(1)), counted)
        return opset.gather(table, opset.add(places, uncounted), np.int32(0))

    def _bias(self, ids: Node, mask: Node) -> Node:
        """What is added to attention scores: the mask, and if the architecture has it a bias by distance.

        `[rows, 1, 1, tokens]`, or `[rows, heads, tokens, tokens]`.
        """
        layout = self._shape.layout
        if not layout.distances:
            return mask
        positions = self._shape.positions
        table = by_distance(self._weights[f"{layout.body}.{layout.distances}"], positions)
        places = _places(ids)
        distance = opset.subtract(opset.unsqueeze(places, [0]), opset.unsqueeze(places, [1]))
        bias = opset.gather(opset.constant(table), opset.add(distance, np.int32(positions - 1)), np.int32(1))
        return opset.add(mask, opset.unsqueeze(bias, [0]))

    def _layer(self, name: str, rows: Node, context: Node, mask: Node) -> Node:
        """One encoder layer for `rows`, each of which attends to all of `context`."""
        query, key, value, output, norm = (f"{name}.{part}" for part in self._shape.layout.attention)
        widen, narrow, last_norm = (f"{name}.{part}" for part in self._shape.layout.feed_forward)
        attended = opset.scaled_dot_product_attention(
            self._heads(self._linear(query, rows)),
            self._heads(self._linear(key, context)),
            self._heads(self._linear(value, context)),
            mask,
        )
        joined = opset.reshape(opset.transpose(attended, [0, 2, 1, 3]), [0, 0, self._shape.width], True)
        rows = self._norm(norm, opset.add(self._linear(output, joined), rows))
        wide = _ACTIVATIONS[self._shape.activation](self._linear(widen, rows))
        return self._norm(last_norm, opset.add(self._linear(narrow, wide), rows))

    def _heads(self, rows: Node) -> Node:
        """`[rows, tokens, width]` to `[rows, heads, tokens, width / heads]`."""
        heads = self._shape.heads
        parted = opset.reshape(rows, [0, 0, heads, self._shape.width // heads], True)
        return opset.transpose(parted, [0, 2, 1, 3])

    def _linear(self, name: str, rows: Node) -> Node:
        # torch stores weights as [out, in].
        product = opset.matmul(rows, self._constant(f"{name}.weight"), False, True)
        return opset.add(product, self._constant(f"{name}.bias"))

    def _norm(self, name: str, rows: Node) -> Node:
        # torch, too, adds epsilon within the square root.
        normalised = opset.mvn(rows, [-1], True, self._shape.epsilon, "inside_sqrt")
        scaled = opset.multiply(normalised, self._constant(f"{name}.weight"))
        return opset.add(scaled, self._constant(f"{name}.bias"))

    def _constant(self, name: str) -> Node:
        # Shared: otherwise the weights are in memory twice while the graph is compiled.
        return opset.constant(self._weights[name], shared_memory=True)


def _input(name: str, shape: list[int]) -> Node:
    node = opset.parameter(shape, np.int32)
    node.output(0).set_names({name})
    return node


def _tokens(ids: Node) -> Node:
    """The number of tokens of the padded rows, a scalar."""
    return opset.gather(opset.shape_of(ids, "i32"), np.int32(1), np.int32(0))


def _places(ids: Node) -> Node:
    """The places of the tokens of the padded rows, from 0."""
    return opset.range(np.int32(0), _tokens(ids), np.int32(1), "i32")


def _mask(ids: Node, lengths: Node) -> Node:
    """`[rows, 1, 1, tokens]`: 0 for the tokens of a row, MASKED for its padding."""
    own = opset.less(_places(ids), opset.unsqueeze(lengths, [1, 2, 3]))
    return opset.select(own, np.float32(0), np.float32(MASKED))
