"""Engines on PyTorch: padded anywhere, without padding on CUDA."""
