"""The page over HTTP: the application, who may ask, the stream of frames, and the try-it proxy."""
