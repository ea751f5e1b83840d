"""Tests of `shared/inference/cnn`."""
