"""What arrives: results and dead letters of Kafka as records of the window."""
