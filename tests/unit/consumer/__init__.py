"""Tests of `consumer`, without Kafka."""
