"""A Kafka consumer group member that scores texts and publishes labels and probabilities.

Read `pipeline.py` first. Data flows one way: source, decode, scorer, encode, outbox.
"""
