"""Engines on PyTorch: padded passes on any device, packed passes on CUDA."""
