"""The dead-letter topic: what limits it, what it holds, and sending letters back."""
