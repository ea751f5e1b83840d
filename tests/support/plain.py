"""A model folder in plain transformers, for oracles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

if TYPE_CHECKING:
    from pathlib import Path


def plain_model(folder: Path) -> tuple[Any, Any]:
    """Model, in fp32 and evaluation mode on the CPU, and tokenizer."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    return model.eval(), AutoTokenizer.from_pretrained(folder, local_files_only=True)
