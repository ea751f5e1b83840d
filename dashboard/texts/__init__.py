"""The texts of results, read from the input topics by their place, with what hinders that."""
