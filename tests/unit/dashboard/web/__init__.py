"""Tests of dashboard.web."""
