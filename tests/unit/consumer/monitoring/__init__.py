"""Tests of `consumer/monitoring`, without Kafka."""
