"""Tests of `trainer.data.exports`."""
