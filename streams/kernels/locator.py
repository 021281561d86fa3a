"""numba's cache by content: a kernel's folder is named after what it is compiled from, not after a path or a time.

numba's own files are keyed by path, share one index that two writers can spoil, and are unpickled whatever they hold. Here each compiled
signature is a file of its own, named after its key and sealed by a hash; a file that is damaged, cut off or somebody else's is as if
it were not there. This module is imported by numba alone, which `cache` tells its name.
"""

import atexit
import hashlib
import os
import pickle
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

from llvmlite import binding  # type: ignore[import-untyped]
from numba.core import caching, config
from numba.core.serialize import dumps

from zonepulse.streams.kernels.cache import compiler_options
from zonepulse.streams.kernels.sources import sources_digest

GENERATIONS: Final = 16
"""Of one module, kept: those used last."""
UNUSED_S: Final = 60 * 86_400
"""Whatever was not used for so long goes."""
_SEAL_BYTES: Final = 32
_OTHERS_MAY_WRITE: Final = 0o022


class ContentLocator(caching._CacheLocator):
    """Where kernels of zonepulse are kept."""

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        self._py_file = file  # numba's warnings name it
        self._line = function.__code__.co_firstlineno
        self._digest = generation(function.__module__)
        self._folder = folder(function.__module__)

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> "ContentLocator | None":
        """None for a function of another project."""
        return cls(py_func, py_file) if py_func.__module__.startswith("zonepulse.") else None

    def ensure_cache_path(self) -> None:
        """Made when its module is."""

    def get_cache_path(self) -> str:
        """The folder of this module's generation."""
        return str(self._folder)

    def get_source_stamp(self) -> str:
        """The digest of everything the kernel is compiled from."""
        return self._digest

    def get_disambiguator(self) -> str:
        """Kernels of one name in one module differ in their line."""
        return str(self._line)


class SealedFiles(caching.IndexDataCacheFile):
    """A kernel's compiled signatures, one file each: SHA-256, then the pickled (version, stamp, key, data)."""

    def flush(self) -> None:
        """Removes them."""
        for path in Path(self._cache_path).glob(f"{self._index_name.removesuffix('.nbi')}.*.nbc"):
            path.unlink(missing_ok=True)

    def save(self, key: Any, data: Any) -> None:
        """A file appears whole or not at all; a folder that is full or gone keeps nothing."""
        body = dumps(  # type: ignore[no-untyped-call]
            (self._version, self._source_stamp, key, data)
        )
        with suppress(OSError):
            Path(self._cache_path).mkdir(mode=0o700, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._cache_path, prefix="part-")  # readable by its owner alone
            try:
                with open(handle, "wb") as file:
                    file.write(hashlib.sha256(body).digest() + body)
                os.replace(name, self._path(key))
            except OSError:
                os.unlink(name)
                raise

    def load(self, key: Any) -> Any:
        """What was saved under `key`; None where it is not, or is not to be trusted."""
        raw = _own_bytes(self._path(key))
        if raw is None or hashlib.sha256(raw[_SEAL_BYTES:]).digest() != raw[:_SEAL_BYTES]:
            return None
        version, stamp, found, data = pickle.loads(raw[_SEAL_BYTES:])
        return data if (version, stamp, found) == (self._version, self._source_stamp, key) else None

    def _path(self, key: Any) -> str:
        digest = hashlib.sha256(repr(key).encode()).hexdigest()[:20]
        return os.path.join(self._cache_path, f"{self._index_name.removesuffix('.nbi')}.{digest}.nbc")


caching.IndexDataCacheFile = SealedFiles  # type: ignore[misc] # what numba makes for each cached function


def _own_bytes(path: str) -> bytes | None:
    """A file of this user that nobody else may write. Who can write a cache can run code as its reader."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            status = os.fstat(file.fileno())
            is_own = status.st_uid == os.geteuid() and not status.st_mode & _OTHERS_MAY_WRITE
            return file.read() if is_own else None
    except OSError:
        return None


def generation(module: str) -> str:
    """16 hex digits of the sources, libraries, options and processor that kernels of `module` are compiled from and for."""
    features = binding.get_host_cpu_features().flatten()
    machine = f"{sys.version}\n{binding.get_process_triple()}\n{binding.get_host_cpu_name()}\n{features}"
    return hashlib.sha256(f"{sources_digest(module)}\n{compiler_options(os.environ)}\n{machine}".encode()).hexdigest()[:16]


@cache
def folder(module: str) -> Path:
    """The folder of the kernels of `module`, marked as used now; older generations make room when a new one begins."""
    name = module.removeprefix("zonepulse.")
    found = root() / f"{name}-{generation(module)}"
    with suppress(OSError):
        if not found.is_dir():
            remove_old(root(), name)
        found.mkdir(mode=0o700, exist_ok=True)
        os.utime(found)
    return found


def remove_old(place: Path, name: str) -> None:
    """Of `place`: generations of `name` beyond the last ones, and everything that was not used for long."""
    used = {}
    for path in place.iterdir():
        with suppress(OSError):  # another process removes as well
            used[path] = path.stat().st_mtime
    mine = sorted((path for path in used if path.name.rpartition("-")[0] == name), key=used.__getitem__, reverse=True)
    for path in {*mine[GENERATIONS - 1 :], *(path for path, at in used.items() if at < time.time() - UNUSED_S)}:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


@cache
def root() -> Path:
    """`NUMBA_CACHE_DIR` if it is this user's own; else a folder that is gone with this process, which compiles anew."""
    place = Path(str(config.CACHE_DIR))  # type: ignore[attr-defined]
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = place.stat()
        if status.st_uid == os.geteuid():
            if status.st_mode & _OTHERS_MAY_WRITE:
                place.chmod(0o700)
            tempfile.TemporaryFile(dir=place).close()
            return place
    except OSError:
        pass
    private = Path(tempfile.mkdtemp(prefix="zonepulse-kernels-"))
    atexit.register(shutil.rmtree, private, ignore_errors=True)
    return private
