"""Models as people publish them, tiny and with random weights, made on the spot."""
