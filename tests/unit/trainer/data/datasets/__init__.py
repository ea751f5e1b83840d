"""Tests of `trainer/data/datasets`, without the network."""
