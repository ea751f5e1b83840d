"""Single faults, each with a test of its own."""
