"""Tests of `shared/formats`."""
