"""What is kept: exact sums by time, the newest records, and terms. Bounded, and independent of Kafka and HTTP."""
