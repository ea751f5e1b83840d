"""Searches the settings of training: trials of one study, on the validation rows, resumable."""
