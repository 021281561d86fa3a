"""How a worker's memory is allocated: freed blocks are kept and used again.

A fetch, its columns and its rows are megabytes each, made anew for every batch. By default the C library asks the system for every
block of that size and gives it back at once, and every page of it is a fault: in a virtual machine a quarter of the time of a fold.
"""

import ctypes
import logging
from typing import Final

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT: Final = 1 << 29
"""At most so many bytes that are free stay with the process."""
_LARGEST: Final = 1 << 25
"""Larger blocks still come from the system and go back to it; the C library allows no more."""
log = logging.getLogger(__name__)


def keep_freed_memory() -> bool:
    """Tells the C library; False where there is none that listens (not Linux with glibc), which costs only speed."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    is_set = bool(mallopt(_MMAP_THRESHOLD, _LARGEST)) and bool(mallopt(_TRIM_THRESHOLD, _KEPT))
    if not is_set:
        log.debug("the C library does not take the settings of its allocator")
    return is_set
