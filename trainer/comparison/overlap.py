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
    """What `rows_seen` finds, in a few words."""
    if not _others(artifact, splits):
        return SAME
    both = rows_seen(artifact, splits, part, used)
    if both is None:
        return "not known: it does not say which rows it was trained on"
    if not both:
        return "no: none of these row ids is in its parts"
    return f"yes: {both:,} of {len(getattr(splits, part)):,} {part} rows"


def rows_seen(artifact: Artifact, splits: Splits, part: str, used: Sequence[str]) -> int | None:
    """Rows of `part` that were among the parts `used` of the model; None if its folder does not say.

    It does not say if it has no row ids and had other training rows. An ensemble has seen what one of its members
    has seen, and the rows that it was calibrated on itself.
    """
    others = _others(artifact, splits)
    if any(FILE not in one.manifest.files for one in others):
        return None
    known = {row for one in others for name in _used(one, used) for row in read_parts(one)[name]}
    return sum(row in known for row in getattr(splits, part).ids)


def _others(artifact: Artifact, splits: Splits) -> list[Artifact]:
    """The models that had other training rows."""
    return [one for one in _models(artifact) if not _same_rows(one, splits)]


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
