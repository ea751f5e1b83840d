"""Code that consumer and trainer share: messages, text, model folder, inference, Kafka, settings, errors, logs.

It imports neither of them.
"""

__version__ = "0.2.0"
