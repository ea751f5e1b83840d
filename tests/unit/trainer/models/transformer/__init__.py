"""Tests of `trainer/models`."""
