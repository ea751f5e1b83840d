"""Probes CPU engines before they serve: finds pass shapes with wrong answers, and caches the verdicts."""
