"""Tests of `trainer/commands`."""
