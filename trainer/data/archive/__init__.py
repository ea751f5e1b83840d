"""A sample of a topic on disk."""
