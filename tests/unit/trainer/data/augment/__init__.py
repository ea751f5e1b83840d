"""Tests of `trainer/data/augment`."""
