"""Tests of `trainer/comparison`."""
