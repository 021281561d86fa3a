"""Where numba keeps compiled kernels: one folder for each version of the processors' sources.

Numba compiles a kernel anew when its own file changes, and does not notice a change in another file whose kernels it calls.
A folder named after all of them cannot be stale.
"""

import hashlib
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Final

from zonepulse.streams.embedded.kafka.jars import cache_folder

VARIABLE: Final = "NUMBA_CACHE_DIR"
_DONE: Final = "compiled"
_BOUNDS: Final = "NUMBA_BOUNDSCHECK"
"""Compiled into the kernels, and not part of numba's own key."""


def use_kernel_cache(environ: MutableMapping[str, str]) -> None:
    """Sets `NUMBA_CACHE_DIR` unless it is set; call it before numba is imported. Child processes inherit it."""
    environ.setdefault(VARIABLE, str(cache_folder(environ) / "kernels" / kernels_digest(environ.get(_BOUNDS, ""))))


def are_compiled(environ: Mapping[str, str]) -> bool:
    """Whether `mark_compiled` was called for kernels of these sources."""
    return VARIABLE in environ and (Path(environ[VARIABLE]) / _DONE).exists()


def mark_compiled(environ: Mapping[str, str]) -> None:
    """Every kernel that a run needs is in the cache; nothing where the cache cannot be written."""
    if VARIABLE in environ:
        with suppress(OSError):
            (Path(environ[VARIABLE]) / _DONE).touch()


def kernels_digest(salt: str = "") -> str:
    """16 hex digits that change with any source file of the processors, or `salt`."""
    digest = hashlib.sha256(salt.encode())
    for source in sorted(Path(str(files("zonepulse.processors"))).rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
