"""Replaces a part of the product in a process that exists for this purpose."""

from __future__ import annotations

from typing import Any


def replace(owner: Any, name: str, value: Any) -> Any:
    """Replaces an attribute of a module or a class with `value`; returns the old one."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    return before
