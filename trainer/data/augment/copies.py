"""Changed copies of training rows, for `--augment`: with the label of their row, and in the training part only.

Which rows are copied, and how, follows from the seed and their texts: a resumed training has the same copies.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog

from trainer.data.augment.contrast import contrast_settings, with_contrast_rows
from trainer.data.augment.negation import NEGATIONS
from trainer.data.augment.option import TRANSFORMS, parse_augment
from trainer.data.augment.synonyms import GROUPS
from trainer.data.augment.typos import NEIGHBOURS
from trainer.data.duplicates import spelling
from trainer.data.labels.polarity import polarity_of
from trainer.data.near_duplicates import near_duplicate_groups

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainer.data.examples import Examples
    from trainer.data.splits import Splits
    from trainer.settings import TrainerSettings

log = structlog.get_logger()


def with_made_rows(splits: Splits, settings: TrainerSettings) -> Examples:
    """The training rows, changed copies of them, and contrast rows; raises SettingsError as the latter do."""
    held = [text for part in (splits.validation, splits.calibration, splits.test) for text in part.texts]
    rows = with_copies(splits.train, parse_augment(settings.augment), settings.seed, held)
    polarity = polarity_of(rows.label_names, settings.polarity)
    return with_contrast_rows(rows, settings.contrast_rows, settings.seed, polarity)


def made_settings(settings: TrainerSettings) -> dict[str, Any]:
    """What the manifest says of them: with the seed of the training, it decides which rows they are."""
    described = contrast_settings(settings.contrast_rows)
    if settings.augment:
        lists = repr((GROUPS, sorted(NEGATIONS), NEIGHBOURS))
        described |= {
            "augment": ",".join(settings.augment),
            "augment_lists": hashlib.sha256(lists.encode()).hexdigest()[:12],
        }
    return described


def with_copies(examples: Examples, shares: Mapping[str, float], seed: int, held: Sequence[str]) -> Examples:
    """The examples and their changed copies, by transform; those that are like a text of `held` are left out.

    A copy that is equal to its row, or to another text, is left out too.
    """
    if not shares:
        return examples
    known = set(map(spelling, examples.texts))
    texts: list[str] = []
    labels: list[int] = []
    ids: list[str] = []
    for name, share in shares.items():
        for row in _chosen(examples.texts, name, share, seed):
            copy = changed(examples.texts[row], name, seed)
            if (key := spelling(copy)) not in known:
                known.add(key)
                texts.append(copy)
                labels.append(int(examples.labels[row]))
                ids.append(f"{name}-{row}")
    groups = near_duplicate_groups([*held, *texts])
    taken = set(groups[: len(held)].tolist())
    kept = [row for row, group in enumerate(groups[len(held) :].tolist()) if group not in taken]
    log.info("augmented", **shares, copies=len(kept), like_held_out_rows=len(texts) - len(kept))
    return replace(
        examples,
        texts=(*examples.texts, *(texts[row] for row in kept)),
        labels=np.concatenate([examples.labels, np.array([labels[row] for row in kept], np.int64)]),
        ids=(*examples.ids, *(ids[row] for row in kept)),
        created_at=None,
        sources=None,
        parts=None,
    )


def changed(text: str, name: str, seed: int) -> str:
    """The text after a transform; the same for the same arguments. Runs of white space become one space."""
    chance = np.random.default_rng(int.from_bytes(_digest(seed, name, text)[:8], "big"))
    return " ".join(import_module(f"trainer.data.augment.{TRANSFORMS[name]}").change(text.split(), chance))


def _chosen(texts: Sequence[str], name: str, share: float, seed: int) -> list[int]:
    """The rows that are copied, in their order."""
    ranked = sorted(range(len(texts)), key=lambda row: _digest(seed, name, texts[row]))
    return sorted(ranked[: round(share * len(texts))])


def _digest(seed: int, name: str, text: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{name}\0{text}".encode("utf-8", "surrogatepass")).digest()
