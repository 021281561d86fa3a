"""How kernels that work on borrowed arrays are compiled."""

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numpy as np
from numba import njit

F = TypeVar("F", bound=Callable[..., Any])
_OPTIONS: Final[dict[str, Any]] = {"cache": True, "nogil": True, "_nrt": False}


def kernel(function: F) -> F:
    """Compile a kernel that only reads and writes arrays it was handed, never makes or returns one.

    Without numba's reference counting (`_nrt`), whose atomic additions at each call made the small functions here eight times slower.
    """
    return cast(F, njit(**_OPTIONS)(function))


def inlined(function: F) -> F:
    """A kernel whose body stands wherever it is called. For small ones that take arrays: each array is handed over in seven words, which
    costs more than what is done with it (without, reading JSON took 1.3 times as long)."""
    return cast(F, njit(**_OPTIONS, forceinline=True)(function))


@inlined
def byte_at(text: Any, i: int) -> Any:
    """`text[i]` (uint8) for i >= 0, as a signed integer; the unsigned index spares the test for places counted from the end."""
    return np.int64(text[np.uint64(i)])
