"""The faults, and what they strike: consumers, brokers, connections, topics."""
