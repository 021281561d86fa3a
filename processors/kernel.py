"""How kernels that work on borrowed arrays are compiled."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile a kernel that only reads and writes arrays it was handed, never makes or returns one.

    Without numba's reference counting (`_nrt`), whose atomic additions at each call made the small functions here eight times slower.
    """
    options: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
    return cast(F, njit(**options)(function))


@kernel
def byte_at(text: Any, i: int) -> Any:
    """`text[i]` (uint8) for i >= 0, as a signed integer; the unsigned index spares the test for places counted from the end."""
    return np.int64(text[np.uint64(i)])
