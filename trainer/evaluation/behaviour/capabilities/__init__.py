"""The capabilities that the suite tests, one module each: templates and words, and nothing of any data set."""
