"""Tests of `shared/kafka`, without Kafka."""
