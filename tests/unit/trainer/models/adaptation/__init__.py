"""Tests of `trainer/models/adaptation`."""
