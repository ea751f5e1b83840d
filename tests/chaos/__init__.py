"""Faults on purpose: what is promised must hold while brokers, network and processes fail."""
