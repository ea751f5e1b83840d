"""Texts that are longer than a model reads at once."""
