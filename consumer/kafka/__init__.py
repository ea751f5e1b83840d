"""The consumer as a member of a group: ownership, offsets, crash loops, and publishing with its commits."""
