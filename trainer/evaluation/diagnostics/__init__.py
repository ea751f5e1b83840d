"""What the HTML report shows beyond metrics.json: computed once, on the test rows, and kept without texts."""
