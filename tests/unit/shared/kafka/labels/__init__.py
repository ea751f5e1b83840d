"""Tests of the labels topic, without Kafka."""
