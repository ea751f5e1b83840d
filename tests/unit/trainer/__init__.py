"""Tests of `trainer`, without Kafka."""
