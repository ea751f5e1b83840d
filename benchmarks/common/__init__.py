"""What the benchmarks share: programs, streams, texts, and how figures are taken and written."""
