"""Tests of `shared/inference/engines`, without Kafka."""
