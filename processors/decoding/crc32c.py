"""CRC-32C (Castagnoli, RFC 3720 B.4) of Kafka's record batches, looked at after the kernel has found where they lie."""

from typing import Any, Final

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.decoding.record_batches import BAD_CRC, BAD_HEADER, HEADER_BYTES, scan

_CHECKED: Final = HEADER_BYTES - 21
"""Bytes of a header behind its checksum, which counts them and the records."""


def crc32c(octets: NDArray[np.uint8]) -> int:
    """CRC-32C of contiguous bytes, shape (n,)."""
    return int(google_crc32c.value(octets))


def scan_checked(buffer: NDArray[np.uint8], must_check_crc: bool, batches: Any) -> tuple[int, int, int]:
    """As `scan`; with `must_check_crc` it stops at the first batch whose checksum is wrong (BAD_CRC), whatever its header says."""
    n, outcome, at = scan(buffer, batches)
    if must_check_crc:
        found = batches[: n + 1 if outcome == BAD_HEADER else n]  # a checksum tells damage of a header before its numbers do
        checked = zip(found["start"].tolist(), found["end"].tolist(), found["crc"].tolist(), strict=True)
        for i, (start, end, crc) in enumerate(checked):
            if google_crc32c.value(buffer[start - _CHECKED : end]) != crc:
                return i, BAD_CRC, start - HEADER_BYTES
    return n, outcome, at
