"""Behaviour and fairness tests in the manner of CheckList: sentences made from templates, with known answers."""
