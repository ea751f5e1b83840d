"""Makes the pictures of docs/dashboard.md: `python -m tests.pictures BEFORE AFTER TWEETS.parquet --output FOLDER`."""
