"""The metrics of `consumer/metrics.py`: filled from events, completed at each scrape, served over HTTP."""
