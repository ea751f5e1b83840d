"""Data sets of the Hugging Face hub, and folders in its layout."""
