"""Landlock: a process of Linux gives up files and connections for good, itself and all its threads and children.

Needs no privilege, and a kernel (5.13 and later) that has it switched on. Where it has not, `confine` changes nothing and says so.
"""

import ctypes
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""Numbers of the system calls on every machine."""
_VERSION_FLAG: Final = 1
_PATH_BENEATH: Final = 1
_NO_NEW_PRIVILEGES: Final = 38
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_CONNECT_TCP: Final = 1 << 1
_FILE_RIGHTS: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_BITS: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""Rights on files that a version of the interface knows; later ones know those of 5."""
_WITH_NETWORK: Final = 4


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("rights", ctypes.c_uint64), ("folder", ctypes.c_int32))


def version() -> int:
    """Of the kernel's interface; 0: it has none, or it is switched off."""
    if sys.platform != "linux":
        return 0
    return max(0, int(ctypes.CDLL(None).syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))))


def confine(read: Iterable[Path], write: Iterable[Path]) -> int:
    """From now on only `read` is read and run, only `write` written as well, and no TCP connection opened.

    Paths are folders, with all in them, or files; what is missing is left out. What is open stays open. The version of the interface, 0 if
    nothing is confined. Call it before threads are started: it holds for this one and what it starts. Raises OSError.
    """
    known = version()
    if known == 0:
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    every = (1 << _BITS.get(known, 16)) - 1
    attributes = _Ruleset(every, _CONNECT_TCP if known >= _WITH_NETWORK else 0)
    size = ctypes.sizeof(attributes) if known >= _WITH_NETWORK else ctypes.sizeof(ctypes.c_uint64)
    rules = _checked(libc.syscall(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0)))
    try:
        for path in read:
            _allow(libc, rules, path, _EXECUTE | _READ_FILE | _READ_DIR)
        for path in write:
            _allow(libc, rules, path, every & ~_EXECUTE)
        _checked(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
        _checked(libc.syscall(_RESTRICT_SELF, ctypes.c_int(rules), ctypes.c_uint32(0)))
    finally:
        os.close(rules)
    return known


def _allow(libc: ctypes.CDLL, rules: int, path: Path, rights: int) -> None:
    try:
        at = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        rule = _PathBeneath(rights if path.is_dir() else rights & _FILE_RIGHTS, at)
        _checked(libc.syscall(_ADD_RULE, ctypes.c_int(rules), ctypes.c_int(_PATH_BENEATH), ctypes.byref(rule), ctypes.c_uint32(0)))
    finally:
        os.close(at)


def _checked(answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock: {os.strerror(number)}")
    return answer
