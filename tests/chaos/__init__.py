"""Deliberate faults and hostile input: every guarantee must still hold."""
