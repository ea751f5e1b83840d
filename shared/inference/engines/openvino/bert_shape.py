"""The dimensions of a BERT-like classifier, and the names of its weights.

Reads a checked model folder without torch and transformers; independent of the graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from shared.errors import ArtifactError
from shared.inference.engines.openvino.relative_bias import BUCKETS

if TYPE_CHECKING:
    from shared.model_folder.artifact import Artifact

Weights = dict[str, NDArray[np.float32]]

ACTIVATIONS: Final = ("gelu", "gelu_new", "relu")


class UnknownArchitecture(Exception):  # noqa: N818 - the model may be fine; another engine runs it
    """Our graph is not tested with such a model; the message says what is unknown."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The weight names of an architecture, and the differences in its graph."""

    architecture: str
    body: str
    head: tuple[str, str, str]
    """Dense layer, activation and output layer of the classifier."""
    layer: str = "encoder.layer"
    attention: tuple[str, str, str, str, str] = (
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
        "attention.output.LayerNorm",
    )
    feed_forward: tuple[str, str, str] = ("intermediate.dense", "output.dense", "output.LayerNorm")
    counts_positions: bool = False
    """Whether the token that counts as padding has its own id as position, and the n-th other that id plus n."""
    padding: int | None = None
    """Id of the token that counts as padding, where transformers hard-codes it; None: that of config.json."""
    distances: str = ""
    """Weight that biases attention by the distance of two tokens; none: attention does not depend on it."""


# transformers hard-codes the activations of the heads; config.json does not have them.
_ROBERTA: Final = ("roberta", ("classifier.dense", "tanh", "classifier.out_proj"))
LAYOUTS: Final = {
    "bert": Layout("BertForSequenceClassification", "bert", ("bert.pooler.dense", "tanh", "classifier")),
    "roberta": Layout("RobertaForSequenceClassification", *_ROBERTA, counts_positions=True),
    "xlm-roberta": Layout("XLMRobertaForSequenceClassification", *_ROBERTA, counts_positions=True),
    "electra": Layout(
        "ElectraForSequenceClassification", "electra", ("classifier.dense", "gelu", "classifier.out_proj")
    ),
    "mpnet": Layout(
        "MPNetForSequenceClassification",
        "mpnet",
        ("classifier.dense", "tanh", "classifier.out_proj"),
        attention=(
            "attention.attn.q",
            "attention.attn.k",
            "attention.attn.v",
            "attention.attn.o",
            "attention.LayerNorm",
        ),
        counts_positions=True,
        padding=1,
        distances="encoder.relative_attention_bias.weight",
    ),
    "distilbert": Layout(
        "DistilBertForSequenceClassification",
        "distilbert",
        ("pre_classifier", "relu", "classifier"),
        layer="transformer.layer",
        attention=(
            "attention.q_lin",
            "attention.k_lin",
            "attention.v_lin",
            "attention.out_lin",
            "sa_layer_norm",
        ),
        feed_forward=("ffn.lin1", "ffn.lin2", "output_layer_norm"),
    ),
}
"""By `model_type` of config.json."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Values of config.json, with the same names for all architectures."""

    layout: Layout
    layers: int
    heads: int
    width: int
    """Numbers per token, `hidden_size`."""
    vocabulary: int
    positions: int
    """Maximum tokens of a row."""
    pad_id: int
    uncounted: int
    """Id of the token that counts as padding where positions are counted."""
    activation: str
    epsilon: float
    labels: int
    pooled_layers: tuple[int, ...]
    """Layers, counted from 1, whose mean over the tokens the output layer reads; none: the head of the layout."""


def read_shape(artifact: Artifact) -> Shape:
    """Reads config.json; raises UnknownArchitecture."""
    config = artifact.config()
    layout = LAYOUTS.get(config.get("model_type", ""))
    if layout is None or config.get("architectures") != [layout.architecture]:
        names = ", ".join(map(str, config.get("architectures") or ["an unnamed architecture"]))
        raise UnknownArchitecture(f"the graph for OpenVINO does not have {names}")
    if config.get("is_decoder") or config.get("position_embedding_type", "absolute") != "absolute":
        raise UnknownArchitecture("a decoder, or positions that are not absolute")
    distil = layout.body == "distilbert"
    activation = config["activation" if distil else "hidden_act"]
    if activation not in ACTIVATIONS:
        raise UnknownArchitecture(f"activation {activation}")
    pad_id = config.get("pad_token_id") or 0
    if layout.distances and config.get("relative_attention_num_buckets") != BUCKETS:
        raise UnknownArchitecture(f"distances in other than {BUCKETS} buckets")
    uncounted = pad_id if layout.padding is None else layout.padding
    return Shape(
        layout=layout,
        layers=config["n_layers" if distil else "num_hidden_layers"],
        heads=config["n_heads" if distil else "num_attention_heads"],
        width=config["dim" if distil else "hidden_size"],
        vocabulary=config["vocab_size"],
        positions=config["max_position_embeddings"] - (uncounted + 1 if layout.counts_positions else 0),
        pad_id=pad_id,
        uncounted=uncounted,
        activation=activation,
        epsilon=1e-12 if distil else config["layer_norm_eps"],  # transformers hard-codes that of DistilBERT
        labels=len(config["id2label"]),
        pooled_layers=artifact.manifest.pooling.layers if artifact.manifest.pooling else (),
    )


def read_weights(artifact: Artifact) -> Weights:
    """Every tensor of the safetensors files, in fp32; raises ArtifactError or UnknownArchitecture."""
    weights: Weights = {}
    for name in artifact.weights():
        try:
            tensors = load(artifact.read(name))
        except SafetensorError as error:
            path = artifact.path / name
            raise ArtifactError(f"{path} cannot be read ({error}); restore it, or train again") from None
        except KeyError:  # numpy has no bfloat16
            raise UnknownArchitecture("weights of a type that numpy does not have") from None
        weights |= {key: tensor.astype(np.float32, copy=False) for key, tensor in tensors.items()}
    return weights
