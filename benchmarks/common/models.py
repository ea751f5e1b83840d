"""Models to measure: the demo's with room for reviews, and one of the size of BERT-base."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Final

from benchmarks.common.measure import WORK
from shared.model_folder.artifact import open_artifact, seal

if TYPE_CHECKING:
    from pathlib import Path

    from shared.model_folder.artifact import Artifact

REVIEW_TOKENS: Final = 256
"""Reviews are truncated there; the demo's own model truncates at 64, which its tweets rarely reach."""
BERT_BASE: Final = "bert-base"


def long_model(model: Path) -> Path:
    """The same weights with room for REVIEW_TOKENS tokens, as a model folder of its own."""
    artifact = open_artifact(model)
    if artifact.manifest.max_tokens >= REVIEW_TOKENS:
        return model
    folder = WORK / f"model-{artifact.version}-{REVIEW_TOKENS}"
    shutil.rmtree(folder, ignore_errors=True)
    for name in artifact.manifest.files:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        content = (model / name).read_bytes()
        if name == "tokenizer_config.json":
            limit = f'"model_max_length": {artifact.manifest.max_tokens}'.encode()
            content = content.replace(limit, f'"model_max_length": {REVIEW_TOKENS}'.encode())
        target.write_bytes(content)
    seal(folder, artifact.manifest.model_copy(update={"max_tokens": REVIEW_TOKENS}))
    return folder


def bert_base(folder: Path, tokenizer: Path, weights: str | None = None) -> Artifact:
    """BERT-base with a fresh head, written to `folder`; random without `weights`, a name of the hub or a folder.

    Speed does not depend on weights, but the loss of 16 bits does. `tokenizer` is a model folder, uncased.
    """
    import torch  # noqa: PLC0415 - seconds to import
    from transformers import AutoConfig, AutoModelForSequenceClassification  # noqa: PLC0415

    manifest = open_artifact(tokenizer).manifest
    labels = {"id2label": dict(enumerate(manifest.labels)), "num_labels": len(manifest.labels)}
    shutil.copytree(tokenizer, folder, ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    torch.manual_seed(0)
    model: Any = (
        AutoModelForSequenceClassification.from_pretrained(weights, dtype=torch.float32, **labels)
        if weights
        else AutoModelForSequenceClassification.from_config(AutoConfig.for_model("bert", **labels))  # type: ignore[no-untyped-call]
    )
    model.save_pretrained(folder)
    return seal(folder, manifest.model_copy(update={"name": BERT_BASE, "max_tokens": 512}))
