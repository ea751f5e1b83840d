"""The faults, and their targets: consumers, brokers, connections, topics."""
