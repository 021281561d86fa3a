"""Where compiled kernels are kept: in the user's cache, for every clone and installation of the same sources.

`locator` is what numba asks; it is named by an environment variable, so that the pure core and child processes need not know.
"""

import hashlib
import importlib.metadata
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Final

from zonepulse.streams.settings import cache_folder

VARIABLE: Final = "NUMBA_CACHE_DIR"
_LOCATORS: Final = "NUMBA_CACHE_LOCATOR_CLASSES"
_OURS: Final = "zonepulse.streams.kernels.locator.ContentLocator,UserProvidedCacheLocator"
_PLACES: Final = frozenset({VARIABLE, _LOCATORS, "NUMBA_NUM_THREADS", "NUMBA_DEBUG_CACHE"})
"""What changes no compiled code; every other `NUMBA_*` may, and most are not part of numba's own key."""


def use_kernel_cache(environ: MutableMapping[str, str]) -> None:
    """Sets where numba keeps kernels, unless it is set; call it before numba is imported. Child processes inherit it."""
    environ.setdefault(VARIABLE, str(cache_folder() / "kernels"))
    environ.setdefault(_LOCATORS, _OURS)


def compiler_options(environ: Mapping[str, str]) -> str:
    """Versions and options that compiled code depends on; the processor is locator's."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("numba", "llvmlite", "numpy")]
    return "\n".join([*versions, *sorted(f"{k}={v}" for k, v in environ.items() if k.startswith("NUMBA_") and k not in _PLACES)])


def are_compiled(environ: Mapping[str, str]) -> bool:
    """Whether `mark_compiled` was called for kernels of these sources."""
    return VARIABLE in environ and _mark(environ).exists()


def mark_compiled(environ: Mapping[str, str]) -> None:
    """Every kernel that a run needs is in the cache; nothing where the cache cannot be written."""
    if VARIABLE in environ:
        with suppress(OSError):
            _mark(environ).touch(0o600)


def _mark(environ: Mapping[str, str]) -> Path:
    digest = hashlib.sha256(compiler_options(environ).encode())
    for source in sorted(Path(str(files("zonepulse.processors"))).rglob("*.py")):
        digest.update(source.read_bytes())
    return Path(environ[VARIABLE]) / f"compiled-{digest.hexdigest()[:16]}"
