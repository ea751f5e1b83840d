"""What the page shows: pure functions from the window to JSON and CSV."""
