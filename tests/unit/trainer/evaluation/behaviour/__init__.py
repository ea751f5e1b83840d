"""Unit tests of `trainer.evaluation.behaviour`."""
