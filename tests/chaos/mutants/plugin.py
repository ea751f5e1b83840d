"""A pytest plugin: applies the mutant that CHAOS_MUTANT names, if any, before tests are collected."""

from __future__ import annotations

import os
from importlib import import_module


def pytest_configure() -> None:
    """Called by pytest."""
    if mutant := os.environ.get("CHAOS_MUTANT"):
        import_module(f"tests.chaos.mutants.{mutant}").apply()
