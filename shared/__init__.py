"""What consumer and trainer must agree on: messages, text, the model folder, settings, errors, logs.

No Kafka loop and no model code live here.
"""

__version__ = "0.1.0"
