"""CSV in any dialect."""
