"""Runs models, for the consumer that serves them and the trainer that evaluates them."""
