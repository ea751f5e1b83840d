"""Tests of shared.http."""
