"""Tests of `consumer/kafka`, without Kafka."""
