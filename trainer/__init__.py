"""Makes models: fetches or archives texts, fine-tunes, calibrates, tests and seals. Does not import the consumer."""
