"""From the values of a label column to the names of labels, and a reason for each row without one."""
