"""Compares models on the same rows: quality, calibration, rate and size."""
