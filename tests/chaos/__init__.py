"""What goes wrong on purpose: faults and hostile input."""
