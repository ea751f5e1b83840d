"""Labels for tests, and what Hypothesis may draw of them."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any, Final

from hypothesis import strategies as st

from shared.messages import Label, LabelKey, text_sha256

KEY: Final = LabelKey("texts", 0, 7, "ann")
MOMENT: Final = datetime(2026, 11, 26, 12, tzinfo=UTC)

_CHARACTERS: Final = st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])
ANNOTATORS: Final = (
    st.text(_CHARACTERS, min_size=1, max_size=30) | st.text("a|09-", min_size=1, max_size=12)
).filter(lambda name: name.strip() == name != "" and unicodedata.normalize("NFC", name) == name)
KEYS: Final = st.builds(
    LabelKey,
    st.text("aZ09._-", min_size=1, max_size=20),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**63 - 1),
    ANNOTATORS,
)
FEW_KEYS: Final = st.builds(
    LabelKey,
    st.sampled_from(["texts", "texts-1"]),
    st.integers(0, 1),
    st.integers(0, 4),
    st.sampled_from(["ann", "bob", "1-2|eve"]),
)
"""Keys of which several draws are the same."""


def label(key: LabelKey = KEY, verdict: str = "positive", **more: Any) -> Label:
    """A label of a key, by default for the text `fine`."""
    given: dict[str, Any] = {
        "source": {"topic": key.topic, "partition": key.partition, "offset": key.offset},
        "verdict": verdict,
        "text_sha256": text_sha256("fine"),
        "annotator": key.annotator,
        "purpose": "queue",
        "model": {"name": "demo", "version": "431a2a6b0e10"},
        "labelled_at": MOMENT,
    }
    return Label.model_validate(given | more)
