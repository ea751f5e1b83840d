"""What happens to log lines before they reach standard error: sampling, and a queue that never blocks."""
