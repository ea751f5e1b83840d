"""The dashboard: a page of what people say and of how well the model hears it.

It subscribes to the results and the dead letters, and imports `shared` only.
"""
