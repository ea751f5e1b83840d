"""The answers of a teacher, kept by text: other seeds and students, and a resumed training, ask for each once.

The last digits of an answer depend on the batch it was in, and a resumed training must get the same ones.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import structlog
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from shared.errors import InputDataError
from trainer.evaluation.serving import scoring
from trainer.models.transformer.progress import LINE_S

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shared.model_folder.artifact import Artifact
    from trainer.models.transformer.predict import FloatArray

AT_ONCE: Final = 256
"""Texts that are scored between two looks at the clock: 10 s of an MPNet on two busy cores."""
KEY_BYTES: Final = 16
"""Of the digest of a text: among 10 million texts two have the same one with a probability of 1e-25."""

log = structlog.get_logger()


def answers_of(artifact: Artifact, texts: Sequence[str], *, device: str, cache_dir: Path) -> FloatArray:
    """The calibrated probabilities, `[texts, labels]` in the model's order; NaN for a text without a score.

    What the file of this model's version in `cache_dir` lacks is scored, in fp32, and added to it as it comes.
    Raises InputDataError for a file that cannot be read.
    """
    file = cache_dir / "teachers" / f"{artifact.version}.safetensors"
    known = _read(file, len(artifact.manifest.labels))
    keys = [_key(text) for text in texts]
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    if missing:
        log.info("scoring_with_the_teacher", texts=len(missing), known=len(set(keys)) - len(missing))
        _score(artifact, missing, known, device, file)
    return np.stack([known[key] for key in keys]) if keys else np.zeros((0, len(artifact.manifest.labels)))


def _score(
    artifact: Artifact, missing: dict[bytes, str], known: dict[bytes, FloatArray], device: str, file: Path
) -> None:
    keys, texts = list(missing), list(missing.values())
    began = said = time.monotonic()
    with scoring(artifact, device=device, precision="fp32") as score:
        for start in range(0, len(texts), AT_ONCE):
            served = score(texts[start : start + AT_ONCE])
            found = np.full((len(texts[start : start + AT_ONCE]), len(artifact.manifest.labels)), np.nan)
            found[served.rows] = served.probabilities
            known.update(zip(keys[start : start + AT_ONCE], found, strict=True))
            now, done = time.monotonic(), start + len(found)
            if now - said >= LINE_S or done == len(texts):
                said = now
                _write(file, known)
                left_s = round((now - began) / done * (len(texts) - done))
                log.info("scoring_with_the_teacher", done=done, texts=len(texts), left_s=left_s)


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()[:KEY_BYTES]


def _read(file: Path, labels: int) -> dict[bytes, FloatArray]:
    if not file.exists():
        return {}
    try:
        arrays = load_file(file)
        keys, found = arrays["keys"], arrays["probabilities"]
    except (SafetensorError, KeyError):
        keys = found = np.zeros(0)
    shapes: Any = (keys.shape[1:], found.shape[1:])
    if shapes != ((KEY_BYTES,), (labels,)) or len(keys) != len(found):
        raise InputDataError(f"{file} is not a file of this project; remove it")
    return {key.tobytes(): row for key, row in zip(keys, found, strict=True)}


def _write(file: Path, known: dict[bytes, FloatArray]) -> None:
    partial = file.with_name(f"{file.name}.partial")
    file.parent.mkdir(parents=True, exist_ok=True)
    keys = np.frombuffer(b"".join(known), np.uint8).reshape(-1, KEY_BYTES)
    save_file({"keys": keys, "probabilities": np.stack(list(known.values()))}, partial)
    partial.replace(file)
