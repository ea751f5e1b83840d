"""A linear head on the vectors of a frozen encoder: the way of `train` for few labels."""
