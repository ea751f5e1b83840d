"""HTTP on both sides: a server on a thread, who may ask it, and how other processes are asked for metrics."""
