"""Bugs against single rules: counting, pinning, guarding, logging, hashing."""
