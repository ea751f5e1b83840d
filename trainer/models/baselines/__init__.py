"""Models without a transformer, to compare with: fitted in seconds, saved without a pickle."""
