"""Scoring without Kafka: texts from arguments or standard input, and why they have their labels."""
