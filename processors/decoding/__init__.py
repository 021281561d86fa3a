"""From the bytes of a fetch to readings: fast kernels, and the slow exact way for what they refuse."""
