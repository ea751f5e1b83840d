"""Archives of topics on disk."""
