"""What was sent, what came of it, and the independent reader that judges."""
