"""Loads a model of the Hugging Face libraries that somebody else made, as untrusted input."""
