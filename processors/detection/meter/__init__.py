"""Rules about meters: what they say, and the kernels that judge them."""
