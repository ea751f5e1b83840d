"""Tests of shared.drift."""
