"""Compiles every kernel that is not in the cache yet: else each of the processes that start side by side compiles them all."""

import os

from zonepulse.streams.kernels.cache import are_compiled, use_kernel_cache


def main() -> None:
    use_kernel_cache(os.environ)
    if not are_compiled(os.environ):
        from zonepulse.streams.kernels.warm_up import warm_up

        warm_up()


if __name__ == "__main__":
    main()
