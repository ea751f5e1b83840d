"""Tests of `trainer/models/cnn`."""
