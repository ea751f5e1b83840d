"""Rows that are made, and added to the training rows."""
