"""Reading labelled files, and what settings and data do to a model."""
