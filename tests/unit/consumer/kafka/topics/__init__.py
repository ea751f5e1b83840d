"""Mirrors consumer.kafka.topics."""
