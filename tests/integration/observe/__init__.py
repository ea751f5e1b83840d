"""Rules and board on a real Prometheus: `make test-observe`."""
