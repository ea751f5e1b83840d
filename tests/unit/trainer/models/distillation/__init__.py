"""Tests of `trainer/models/distillation`."""
