"""Tests of a Kafka with the sentiment consumer: what they need is started, and results are waited for.

This package imports neither `consumer` nor `shared`, which are names that a project under test may use itself: it
starts the console script `sentiment-consumer` and speaks Kafka. `Stack` is all that most tests need; with pytest,
the fixture `sentiment_stack`.
"""
