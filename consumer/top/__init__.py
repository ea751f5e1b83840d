"""`sentiment-consumer top`: asks processes for their metrics and shows them in a terminal."""
