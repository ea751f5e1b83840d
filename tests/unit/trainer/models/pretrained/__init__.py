"""Tests of `trainer/models/pretrained`."""
