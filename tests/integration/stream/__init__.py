"""Texts, processes and brokers: what a stream survives and refuses."""
