"""Hostile input in bulk: records, texts, environments and settings files."""
