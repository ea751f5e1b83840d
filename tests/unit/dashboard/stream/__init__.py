"""Tests of dashboard.stream."""
