"""Fine-tunes a transformer and writes its model folder."""
