"""Shared by the engines on PyTorch and the trainer: loading a classifier, and classifying errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from transformers import CONFIG_MAPPING, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING
from transformers.utils import logging as transformers_logging

from shared.errors import ArtifactError, ScorerError
from shared.inference.engines.torch.pooling import MeanPooled
from shared.inference.isolation import OutOfMemory, PassFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.model_folder.artifact import Artifact

_NO_HOST_MEMORY: Final = ("can't allocate memory", "bad_alloc")
"""Parts of the message of a RuntimeError of torch that mean out of host memory."""


CANNOT_BUILD: Final = (AttributeError, TypeError, ValueError, KeyError, RuntimeError)
"""What transformers raises for a config.json or weights that it cannot use."""


def classify(error: Exception, device: torch.device) -> PassFailed | OutOfMemory | ScorerError:
    """Classifies the error of a pass: the cause may be a text, memory, or the device itself.

    After a CUDA error other than out of memory no later pass can be trusted, so texts are not tried one by one.
    """
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return OutOfMemory()
    if any(sign in str(error) for sign in _NO_HOST_MEMORY):
        return OutOfMemory()
    if device.type == "cpu" and not isinstance(error, torch.AcceleratorError):
        return PassFailed(type(error).__name__)
    message = str(error).partition("\n")[0]
    return ScorerError(f"the device {device} failed ({type(error).__name__}: {message}); a restart may help")


def load_model(artifact: Artifact) -> Any:
    """Loads the classifier with its pooling, in fp32 on the CPU, for inference; raises ArtifactError.

    transformers gets the bytes that `artifact.read` has checked and not a path, from which it would read the files
    again. The dtype is given because it would otherwise use that of the weights, and 16 bits are slow on a CPU.
    """
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    weights: dict[str, torch.Tensor] = {}
    settings = artifact.config()
    try:
        for name in artifact.weights():
            weights |= load(artifact.read(name))
        model, report = build_classifier(settings, weights)
    except (*CANNOT_BUILD, SafetensorError) as error:
        raise ArtifactError(
            f"{artifact.path} cannot be loaded by transformers ({type(error).__name__}); train it again"
        ) from None
    if report["missing_keys"]:  # transformers initialises them at random
        raise ArtifactError(f"{artifact.path} lacks weights such as {min(report['missing_keys'])}; train it again")
    return _pooled(artifact, model)


def _pooled(artifact: Artifact, model: Any) -> Any:
    """The model with the pooling of the manifest."""
    pooling = artifact.manifest.pooling
    if pooling is None:
        return model
    if max(pooling.layers) > int(model.config.num_hidden_layers):
        raise ArtifactError(
            f"{artifact.path}: the manifest pools layer {max(pooling.layers)}, and the model has "
            f"{model.config.num_hidden_layers}; train it again"
        )
    return MeanPooled(model, pooling.layers).eval()


def build_classifier(
    settings: Mapping[str, Any], weights: dict[str, torch.Tensor], *, ignore_mismatched_sizes: bool = False
) -> tuple[Any, dict[str, Any]]:
    """Builds a sequence classifier in fp32 from the content of a config.json and weights by name.

    Returns it, in evaluation mode on the CPU, with the report of transformers: missing, unexpected and mismatched
    keys. No code of a model is run, and transformers chooses the attention that the architecture has. Raises one
    of CANNOT_BUILD.
    """
    config = CONFIG_MAPPING[settings["model_type"]].from_dict(dict(settings))
    config.use_cache = False  # decoders would keep the keys and values of every pass
    architecture: Any = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)]
    model, report = architecture.from_pretrained(
        None,
        config=config,
        state_dict=weights,
        dtype=torch.float32,
        output_loading_info=True,
        ignore_mismatched_sizes=ignore_mismatched_sizes,
    )
    # The tensors of a safetensors file lie at any address. Where that is no multiple of 64 bytes, torch may add in
    # another order: equal weights of a BERT of four layers gave logits that differed by 6e-8.
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
    return model.eval(), report
