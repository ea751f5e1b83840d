"""A model folder in plain transformers, for oracles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from shared.inference.postprocessing import Postprocessing
from shared.inference.tokenization.tokenise import LongText, Tokeniser
from shared.text import normalise
from trainer.models.transformer.predict import predict, score

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shared.model_folder.artifact import Artifact
    from trainer.models.transformer.predict import FloatArray


def plain_model(folder: Path) -> tuple[Any, Any]:
    """Model, in fp32 and evaluation mode on the CPU, and tokenizer."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    return model.eval(), AutoTokenizer.from_pretrained(folder, local_files_only=True)


def predict_whole(artifact: Artifact, texts: Sequence[str]) -> FloatArray:
    """Probabilities `[texts, labels]` by plain transformers; of a long text the pooled ones of its segments."""
    model, tokenizer = plain_model(artifact.path)
    manifest, tokeniser = artifact.manifest, Tokeniser.load(artifact)
    found = predict(model, tokenizer, manifest, texts)
    for place, row in enumerate(tokeniser.rows([normalise(text, manifest.normaliser.options) for text in texts])):
        if not getattr(row, "truncated", False) or manifest.long_texts is None:
            continue
        read = tokeniser.segments(normalise(texts[place], manifest.normaliser.options), manifest.long_texts)
        assert isinstance(read, LongText)
        logits = score(model, [one.ids for one in read.rows], tokenizer.pad_token_id)
        powers = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)) ** 4
        pooled = np.log(powers.mean(axis=0, keepdims=True)) / 4
        found[place] = Postprocessing.of(manifest).probabilities(pooled)
    return found
