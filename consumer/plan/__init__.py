"""`sentiment-consumer plan`: measures this model on this device and recommends limits."""
