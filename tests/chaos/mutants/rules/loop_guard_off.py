"""Mutant: a result that returns as an input is scored again."""

from __future__ import annotations

import consumer.stream.decode
from tests.chaos.patching import replace


def apply() -> None:
    """Recognises no result."""
    replace(consumer.stream.decode, "_already_scored", lambda _record, _form: False)
