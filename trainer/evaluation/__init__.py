"""How good a model is, and the pages that say so."""
