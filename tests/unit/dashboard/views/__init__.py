"""Tests of dashboard.views."""
