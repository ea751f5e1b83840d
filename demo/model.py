"""Fetches and trains once: the results for the same inputs are kept."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import SentimentError
from shared.model_folder.artifact import MANIFEST, open_artifact

if TYPE_CHECKING:
    from rich.console import Console

HELD_OUT_ROWS = 600
ROOT = Path(__file__).resolve().parent.parent


def trained_model(folder: Path, console: Console) -> tuple[Path, Path]:
    """Returns the model folder and the Parquet file of held-out tweets; trains again if an input has changed."""
    model, held_out, key_file = folder / "model", folder / "held-out.parquet", folder / "inputs.sha256"
    key = _inputs_digest()
    console.print("[bold]1. Model[/]  MiniLM (a 6-layer BERT) fine-tuned on 3,000 rated tweets")
    if key_file.exists() and key_file.read_text() == key and (model / MANIFEST).exists() and held_out.exists():
        manifest = open_artifact(model).manifest
        console.print(
            f"   kept from {manifest.created_at:%Y-%m-%d %H:%M} UTC: {model} (its inputs have not changed)"
        )
        return model, held_out
    began = time.monotonic()
    data = folder / "vader-tweets.parquet"
    _trainer("fetch", "vader-tweets", "--output", str(data))
    _trainer(
        *("train", "--data", str(data), "--base", "minilm", "--name", "demo-minilm"),
        *("--test-rows", str(HELD_OUT_ROWS), "--held-out", str(held_out)),
        *("--output", str(model), "--overwrite"),
    )
    key_file.write_text(key)
    console.print(f"   trained in {time.monotonic() - began:.0f} s: {model}")
    return model, held_out


def _trainer(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "trainer", *arguments], check=False)
    if done.returncode != 0:
        raise SentimentError(f"sentiment-trainer {arguments[0]} ended with exit code {done.returncode}; see above")


def _inputs_digest() -> str:
    """Digest of everything that can change the trained model: the trainer, its shared code, and the pins."""
    code = sorted(path for package in ("trainer", "shared") for path in (ROOT / package).rglob("*.py"))
    digest = hashlib.sha256()
    for path in [*code, ROOT / "constraints.txt", Path(__file__)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()
