"""Questions to Kafka before anything is loaded: topics, rights, and what the topics written to take."""
