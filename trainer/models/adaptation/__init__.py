"""Masked language modelling on texts without labels: a base that has read what it will classify."""
