"""The loop and what flows through it: read, quarantine, decode, score, encode, publish. Begin with `pipeline`."""
