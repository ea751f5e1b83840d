"""A plugin of pytest: puts the mutant of CHAOS_MUTANT, if one is named, in place before tests are collected."""

from __future__ import annotations

import os
from importlib import import_module


def pytest_configure() -> None:
    """Called by pytest."""
    if mutant := os.environ.get("CHAOS_MUTANT"):
        import_module(f"tests.chaos.mutants.{mutant}").apply()
