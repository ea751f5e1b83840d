"""How a model is run, for the consumer that serves it and the trainer that judges it alike."""
