"""Shared parts of the tests: a broker, a tiny model, fakes."""
