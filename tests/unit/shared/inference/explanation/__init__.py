"""Tests of `shared/inference/explanation`."""
