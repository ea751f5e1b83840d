"""Tests of `consumer/stream`, without Kafka."""
