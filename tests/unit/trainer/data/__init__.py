"""Tests of `trainer/data`, without Kafka."""
