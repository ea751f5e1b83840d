"""Makes models: fetches or archives texts, fine-tunes, calibrates, tests and seals. Never imports the consumer."""
