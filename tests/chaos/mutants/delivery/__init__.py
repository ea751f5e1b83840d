"""Bugs of delivery: offsets, transactions, ownership."""
