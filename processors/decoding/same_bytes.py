"""Comparing texts eight bytes at a time, for kernels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.kernel import byte_at, inlined


@inlined
def eight_at(text: NDArray[np.uint8], i: int) -> Any:
    """`text[i:i + 8]` as one integer (uint64), the first byte lowest; the compiler makes one load of it."""
    at = np.uint64(i)
    word = np.uint64(text[at])
    for k in range(1, 8):
        word |= np.uint64(text[at + np.uint64(k)]) << np.uint64(8 * k)
    return word


@inlined
def is_same(a: NDArray[np.uint8], a_start: int, b: NDArray[np.uint8], b_start: int, size: int) -> bool:
    """Whether the `size` bytes from there on are equal."""
    i = 0
    while i + 8 <= size:
        if eight_at(a, a_start + i) != eight_at(b, b_start + i):
            return False
        i += 8
    if size >= 8:
        return bool(eight_at(a, a_start + size - 8) == eight_at(b, b_start + size - 8))
    while i < size:
        if byte_at(a, a_start + i) != byte_at(b, b_start + i):
            return False
        i += 1
    return True
