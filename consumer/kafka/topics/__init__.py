"""Topics that are deleted, created again, or bring nothing."""
