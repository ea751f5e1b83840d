"""The model: loaded once from a checked folder, kept on the device, asked by one thread."""
