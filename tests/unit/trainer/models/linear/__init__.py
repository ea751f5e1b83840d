"""Tests of `trainer/models/linear`."""
