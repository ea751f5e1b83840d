"""Tests of `trainer/models/transformer`."""
