"""Fits what follows the logits: calibration, decision, uncertain threshold."""
