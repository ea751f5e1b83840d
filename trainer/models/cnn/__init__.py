"""TextCNN: trained with torch in the loop of the transformers, kept and served as arrays."""
