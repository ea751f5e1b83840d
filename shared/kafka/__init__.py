"""Kafka code of consumer and trainer: settings, client configuration, errors, and a reader without a group."""
