"""Whether a model that is loaded was trained on rows that it is now tested on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.data.parts import FILE, read_parts
from trainer.models.ensemble.folder import load_ensemble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.model_folder.artifact import Artifact
    from trainer.data.splits import Splits

USED: Final = ("train", "validation", "calibration")
"""Parts that training looks at."""
FITTED: Final = ("train", "validation")
"""Parts that the weights were fitted to or chosen by."""
SAME: Final = "no: trained on the same rows"


def seen(artifact: Artifact, splits: Splits, part: str = "test", used: Sequence[str] = USED) -> str:
    """What is known, in a few words, of the rows of `part` that were among the parts `used` of the model.

    Nothing is known of a model without row ids that had other training rows. An ensemble has seen what one of its
    members has seen, and the rows that it was calibrated on itself.
    """
    models = _models(artifact)
    others = [one for one in models if not _same_rows(one, splits)]
    if not others:
        return SAME
    if any(FILE not in one.manifest.files for one in others):
        return "not known: it does not say which rows it was trained on"
    known = {row for one in others for name in _used(one, used) for row in read_parts(one)[name]}
    ids = getattr(splits, part).ids
    both = sum(row in known for row in ids)
    if not both:
        return "no: none of these row ids is in its parts"
    return f"yes: {both:,} of {len(ids):,} {part} rows"


def _models(artifact: Artifact) -> list[Artifact]:
    """The model, and all members of an ensemble."""
    if artifact.manifest.kind != "ensemble":
        return [artifact]
    return [artifact, *(model for member in load_ensemble(artifact).members for model in _models(member))]


def _used(artifact: Artifact, used: Sequence[str]) -> list[str]:
    """An ensemble is trained on no row itself."""
    return [name for name in used if name != "train" or artifact.manifest.kind != "ensemble"]


def _same_rows(artifact: Artifact, splits: Splits) -> bool:
    data = artifact.manifest.data
    return data is not None and data.fingerprint == splits.train.fingerprint()
