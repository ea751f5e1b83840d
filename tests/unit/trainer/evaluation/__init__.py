"""Tests of `trainer/evaluation`."""
