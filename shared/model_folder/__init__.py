"""The model folder: sealed by the trainer, checked by the consumer, read without trust."""
