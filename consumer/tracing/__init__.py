"""Traces by OpenTelemetry. Imported only with tracing on, since nothing else needs OpenTelemetry."""
