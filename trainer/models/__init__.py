"""Fine-tuning a transformer, and the model folder that comes of it."""
