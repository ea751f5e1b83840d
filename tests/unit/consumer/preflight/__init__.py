"""Tests of `consumer/preflight`, without Kafka."""
