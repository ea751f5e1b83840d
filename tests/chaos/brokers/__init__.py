"""Three real Kafka nodes behind a proxy that fails on purpose."""
