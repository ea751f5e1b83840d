"""Dead letters as records: what the consumer writes, read back."""
