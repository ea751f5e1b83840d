"""Following topics without a group, from a point in the past on and without an end."""
