"""How long a training is, and what its learning rate is at each update: by epochs, or by a budget of time."""
