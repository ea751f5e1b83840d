"""Tests of `consumer/http`, over a fake model."""
