"""Tests of `consumer/dlq`, without Kafka."""
