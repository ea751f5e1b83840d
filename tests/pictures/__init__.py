"""Makes the pictures of docs/dashboard.md: `python -m tests.pictures --help`."""
