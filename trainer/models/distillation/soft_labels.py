"""Distillation: a student learns the probabilities of a teacher, on training texts and on texts without labels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import structlog
import torch

from shared.errors import InputDataError
from shared.model_folder.artifact import open_artifact
from trainer.data.duplicates import spelling
from trainer.data.near_duplicates import near_duplicate_groups
from trainer.models.distillation.answers import answers_of
from trainer.models.transformer.loss import chance_loss, label_weights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.data.examples import IntArray
    from trainer.data.splits import Splits
    from trainer.models.transformer.predict import FloatArray

_FLOOR: Final = float(np.finfo(np.float32).smallest_subnormal)
"""Of a probability: fp32 rounds smaller ones to 0, whose logarithm is infinite."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SoftLabels:
    """What a teacher says of the training texts, and of further texts that follow them."""

    teacher: str
    """Name and version."""
    unlabelled: tuple[str, ...]
    probabilities: FloatArray
    """`[rows, labels]`, calibrated; of the training rows, NaN where it gave no score, then of the others."""

    @property
    def identity(self) -> str:
        """Changes with any probability: teacher, texts, engine."""
        digest = hashlib.sha256(self.probabilities.astype(np.float32).tobytes()).hexdigest()[:12]
        return f"{self.teacher} {digest}"


def usable_texts(texts: Sequence[str], splits: Splits) -> tuple[str, ...]:
    """The texts without duplicates, and without those that are in a part, nearly or exactly.

    A student that had learnt the teacher's answer to a text of the validation, calibration or test rows would look
    better there than it is.
    """
    first = {spelling(text): text for text in reversed(texts)}
    known = {spelling(text) for text in splits.train.texts}
    unique = [text for text in texts if first.get(key := spelling(text)) is text and key not in known]
    held = [text for part in (splits.validation, splits.calibration, splits.test) for text in part.texts]
    groups = near_duplicate_groups([*held, *unique])
    taken = set(groups[: len(held)].tolist())
    kept = tuple(text for text, group in zip(unique, groups[len(held) :], strict=True) if int(group) not in taken)
    log.info(
        "unlabelled_texts",
        texts=len(texts),
        duplicates=len(texts) - len(unique),
        near_held_out_rows=len(unique) - len(kept),
        used=len(kept),
    )
    return kept


def soft_labels(
    folder: Path, splits: Splits, unlabelled: Sequence[str], *, device: str, cache_dir: Path
) -> SoftLabels:
    """Scores the texts with the teacher in `folder`, or takes its earlier answers from `cache_dir`.

    Raises ArtifactError for the folder, and InputDataError if its labels are not those of the data.
    """
    artifact = open_artifact(folder)
    names = splits.train.label_names
    if sorted(artifact.manifest.labels) != sorted(names):
        raise InputDataError(
            f"--teacher {folder} has the labels {', '.join(artifact.manifest.labels)}, and the data "
            f"{', '.join(names)}; they must be the same, --label-map renames those of the data"
        )
    usable = usable_texts(unlabelled, splits)
    texts = [*splits.train.texts, *usable]
    columns = [artifact.manifest.labels.index(name) for name in names]
    probabilities = answers_of(artifact, texts, device=device, cache_dir=cache_dir)[:, columns]
    # A text without a label and without a score says nothing; `serve` has counted such texts.
    kept = np.asarray(np.isfinite(probabilities).all(axis=1))
    kept[: len(splits.train)] = True
    unlabelled = tuple(text for text, good in zip(texts, kept, strict=True) if good)[len(splits.train) :]
    return SoftLabels(f"{artifact.manifest.name} {artifact.version}", unlabelled, probabilities[kept])


class Distillation:
    """Cross-entropy with the teacher's probabilities and with the true labels, `alpha` to 1 - `alpha`.

    The former is at a temperature, times its square, as Hinton and others do it (arXiv 1503.02531). It is the KL
    divergence plus the entropy of the teacher, which no weight of the student changes. A row without a label, or
    without an answer of the teacher, has only the other term.
    """

    def __init__(
        self,
        labels: IntArray,
        probabilities: FloatArray,
        *,
        alpha: float,
        temperature: float,
        class_weighting: float,
    ) -> None:
        """Takes the true labels of the first rows, and the teacher's `[rows, labels]` of all of them."""
        self._labelled = len(labels)
        self._alpha = alpha
        self._temperature = temperature
        scored = np.asarray(np.isfinite(probabilities).all(axis=1))
        softened = np.log(np.maximum(np.nan_to_num(probabilities), _FLOOR)) / temperature
        softened = np.exp(softened - softened.max(axis=1, keepdims=True))
        softened = softened / softened.sum(axis=1, keepdims=True) * scored[:, None]
        self._soft = torch.from_numpy(softened.astype(np.float32))
        weights = label_weights(labels, class_weighting)
        self._weights = np.concatenate([weights[labels], np.zeros(len(probabilities) - len(labels))])
        self._labels = np.concatenate([labels, np.zeros(len(probabilities) - len(labels), np.int64)])
        mean = softened.sum(axis=0) / max(1, scored.sum())
        entropy = -float((mean * np.log(np.maximum(mean, _FLOOR))).sum())
        share = self._labelled / len(probabilities)
        self.guessing = alpha * temperature**2 * entropy + (1 - alpha) * share * chance_loss(labels, weights)

    def __call__(self, logits: torch.Tensor, rows: IntArray) -> torch.Tensor:
        """As in Loss."""
        soft = self._soft[torch.from_numpy(rows)].to(logits.device)
        guided = -(soft * (logits / self._temperature).log_softmax(dim=-1)).sum() * self._temperature**2
        gold = torch.from_numpy(self._labels[rows]).to(logits.device)
        weights = torch.tensor(self._weights[rows], dtype=torch.float32, device=logits.device)
        hard = (torch.nn.functional.cross_entropy(logits, gold, reduction="none") * weights).sum()
        return self._alpha * guided + (1 - self._alpha) * hard

    def weight(self, rows: IntArray) -> float:
        """As in Loss: the number of rows, so that a batch with few labelled rows does not count them more."""
        return float(len(rows))
