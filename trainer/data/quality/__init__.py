"""The data report: what labelled texts hold that makes a model, or its figures, worse than they look."""
