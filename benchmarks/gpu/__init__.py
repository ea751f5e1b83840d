"""The benchmark of the engine for CUDA."""
