"""Models that are linear in n-grams of a text: from a sealed folder to scores, with numpy alone."""
