"""A transformer of the Hugging Face libraries: where it comes from, and how it is fine-tuned."""
