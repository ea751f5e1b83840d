"""Tests of `consumer/plan`, without Kafka."""
