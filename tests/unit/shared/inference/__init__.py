"""Tests of `shared/inference`, without Kafka."""
