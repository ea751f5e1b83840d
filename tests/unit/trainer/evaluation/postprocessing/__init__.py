"""Tests of `trainer/evaluation/postprocessing`."""
