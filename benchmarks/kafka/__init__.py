"""From topic to topic on a real Kafka: rates, delay, scaling, recovery."""
