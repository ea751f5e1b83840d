"""Tests of `shared/log_output`."""
