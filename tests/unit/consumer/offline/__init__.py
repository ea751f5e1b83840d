"""Tests of `consumer/offline`."""
