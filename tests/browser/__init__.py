"""The page in a real browser, on a real Kafka. `make test-browser` runs them; `make test` needs no browser."""
