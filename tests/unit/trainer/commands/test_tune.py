"""`tune`: what it refuses before it reads the data."""

from __future__ import annotations

import pytest

from shared.errors import SettingsError
from trainer.__main__ import app


def test_a_linear_head_is_refused() -> None:
    """It has none of the settings that are searched; the option would have no effect."""
    words = ["tune", "--data", "nowhere.csv", "--output", "x.yaml", "--head", "linear"]
    with pytest.raises(SettingsError, match=r"trainer\.head: a linear head has no settings to search"):
        app(words, standalone_mode=False)
