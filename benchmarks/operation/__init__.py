"""What metrics, traces, HTTP clients, the dashboard and drift cost and show."""
