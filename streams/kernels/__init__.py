"""Where compiled kernels are kept between starts, and how a process loads them all."""
