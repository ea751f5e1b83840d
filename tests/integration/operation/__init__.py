"""What whoever runs a stream asks of it: health, metrics, lag, traces, checks before a start."""
