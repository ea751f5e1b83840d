"""The engine for CPUs on OpenVINO."""
