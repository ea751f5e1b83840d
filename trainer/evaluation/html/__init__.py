"""The HTML pages of the trainer: one self-contained file each, without scripts and without external requests."""
