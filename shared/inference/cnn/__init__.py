"""A convolutional network over words, TextCNN: from a sealed folder to logits, with numpy alone."""
