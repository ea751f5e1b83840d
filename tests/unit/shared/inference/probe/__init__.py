"""Tests of `shared/inference/probe`, without Kafka."""
