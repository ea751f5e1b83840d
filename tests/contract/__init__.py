"""One suite for fakes and real Kafka."""
