"""The benchmark of the engine for CUDA, and the ways of running packed passes that only it knows."""
