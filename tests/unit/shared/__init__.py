"""Tests of `shared`, without Kafka."""
