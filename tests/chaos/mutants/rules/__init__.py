"""Bugs in single rules: counting, pinning, guarding, logging, hashing."""
