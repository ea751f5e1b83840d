"""Tests of `trainer/data/quality`."""
