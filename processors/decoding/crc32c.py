"""CRC-32C (Castagnoli), the checksum of Kafka's record batches: the processor's instruction where there is one, else sixteen tables.

Source: RFC 3720 B.4; the tables are Intel's slicing-by-8 (Kounavis and Berry, 2005) with twice the width.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba import config, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from zonepulse.processors.kernel import kernel

_POLYNOMIAL: Final = 0x82F63B78
_ONES: Final = 0xFFFFFFFF


def _tables() -> NDArray[np.int64]:
    """Row k: the remainder of each byte followed by k zero bytes; shape (16, 256)."""
    tables = np.zeros((16, 256), np.int64)
    row = np.arange(256)
    for _ in range(8):
        row = np.where(row & 1, (row >> 1) ^ _POLYNOMIAL, row >> 1)
    tables[0] = row
    for k in range(1, 16):
        tables[k] = tables[0][tables[k - 1] & 255] ^ (tables[k - 1] >> 8)
    return tables


_TABLES: Final = _tables()


@kernel
def crc32c_by_tables(buffer: Any, start: int, stop: int) -> int:
    """CRC-32C of `buffer[start:stop]` (uint8) on any processor."""
    crc = np.int64(_ONES)
    i = start
    while i + 16 <= stop:
        folded = np.int64(0)
        for k in range(4):
            folded ^= _TABLES[15 - k, (crc >> (8 * k) & 255) ^ np.int64(buffer[i + k])]
        for k in range(4, 16):
            folded ^= _TABLES[15 - k, np.int64(buffer[i + k])]
        crc = folded
        i += 16
    while i < stop:
        crc = (crc >> 8) ^ _TABLES[0, (crc ^ np.int64(buffer[i])) & 255]
        i += 1
    return crc ^ _ONES


def _has_instruction() -> bool:
    settings: Any = config
    is_host = not (settings.DISABLE_JIT or settings.CPU_NAME or settings.CPU_FEATURES)
    return is_host and binding.get_process_triple().startswith("x86_64") and bool(binding.get_host_cpu_features().get("sse4.2"))


@intrinsic
def _crc_of_8_bytes(typing: Any, crc: Any, address: Any, at: Any) -> Any:
    """crc after the eight bytes at `address + at`."""

    def build(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        crc, address, at = arguments
        instruction = builder.module.declare_intrinsic("llvm.x86.sse42.crc32.64.64", (), ir.FunctionType(word, [word, word]))
        place = builder.inttoptr(builder.add(address, at), word.as_pointer())
        return builder.call(instruction, [crc, builder.load(place, align=1)])

    return types.int64(types.int64, types.int64, types.int64), build


@kernel
def _crc32c_by_instruction(buffer: Any, start: int, stop: int) -> int:
    crc = np.int64(_ONES)
    address = np.int64(buffer.ctypes.data)
    i = start
    while i + 8 <= stop:
        crc = _crc_of_8_bytes(crc, address, i)  # type: ignore[call-arg] # numba passes the typing context
        i += 8
    while i < stop:
        crc = (crc >> 8) ^ _TABLES[0, (crc ^ np.int64(buffer[i])) & 255]
        i += 1
    return crc ^ _ONES


crc32c: Final[Callable[[Any, int, int], int]] = _crc32c_by_instruction if _has_instruction() else crc32c_by_tables
"""CRC-32C of `buffer[start:stop]`; the caller has checked the bounds."""
