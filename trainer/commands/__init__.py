"""One module for each command of `sentiment-trainer`."""
