"""Tests of `trainer.data.labels`."""
