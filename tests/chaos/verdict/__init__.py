"""The messages that were sent, the output, and the independent reader that judges it."""
