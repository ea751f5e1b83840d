"""Tests of `trainer/models/baselines`."""
