"""Tests of dashboard.window."""
