"""The one way to speak Kafka: settings, clients and what their errors mean, and a reader without a group."""
