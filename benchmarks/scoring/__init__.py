"""A model on one device, without Kafka: rates, limits, explanations."""
