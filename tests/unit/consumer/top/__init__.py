"""Tests of `consumer.top`."""
