"""From archives, labels and data sets to a model that serves."""
