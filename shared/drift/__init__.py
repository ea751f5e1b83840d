"""Drift without labels: statistics of results, which the trainer keeps with a model and the consumer compares."""
