"""The model folder: sealed by the trainer, checked by the consumer, and treated as untrusted input."""
