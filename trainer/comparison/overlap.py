"""Whether a model that is loaded was trained on rows that it is now tested on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.data.parts import FILE, read_parts

if TYPE_CHECKING:
    from shared.model_folder.artifact import Artifact
    from trainer.data.splits import Splits

USED: Final = ("train", "validation", "calibration")
"""Parts that training looks at."""


def seen(artifact: Artifact, splits: Splits) -> str:
    """What is known, in a few words; nothing is known of a model without row ids that had other training rows."""
    data = artifact.manifest.data
    if data is not None and data.fingerprint == splits.train.fingerprint():
        return "no: trained on the same rows"
    if data is None or FILE not in artifact.manifest.files:
        return "not known: it does not say which rows it was trained on"
    parts = read_parts(artifact)
    used = {row for name in USED for row in parts[name]}
    both = sum(row in used for row in splits.test.ids)
    if not both:
        return "no: none of these row ids is in its parts"
    return f"yes: {both:,} of {len(splits.test):,} test rows"
