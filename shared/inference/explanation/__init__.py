"""Which words of a text gave it its label: by leaving words out (any model), or by gradients (transformers)."""
