"""The labels topic: how it is made, written and read."""
