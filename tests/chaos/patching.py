"""Replacing a part of the product in a process that exists for it."""

from __future__ import annotations

from typing import Any


def replace(owner: Any, name: str, value: Any) -> Any:
    """Puts `value` in the place of an attribute of a module or a class; returns what stood there."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    return before
