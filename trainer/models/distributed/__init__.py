"""A training in several processes, one for each device, which torchrun starts."""
