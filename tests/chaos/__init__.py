"""Faults and hostile input on purpose: what is promised must hold all the same."""
