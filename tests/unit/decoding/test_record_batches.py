import os

import numpy as np
import pytest
from aiokafka.record.util import calc_crc32c, encode_varint

from zonepulse.processors.decoding import crc32c
from zonepulse.processors.decoding.record_batches import span, varint


def buffer(raw: bytes) -> np.ndarray:
    return np.frombuffer(raw, np.uint8)


@pytest.mark.parametrize("function", [crc32c.crc32c, crc32c.crc32c_by_tables])
def test_the_checksum_is_crc32c_at_every_length_and_place(function: object) -> None:
    raw = os.urandom(80)
    for start in (0, 3):
        for stop in range(start, 80):
            assert function(buffer(raw), start, stop) == calc_crc32c(raw[start:stop])  # type: ignore[operator]


def test_the_checksum_of_the_standards_example() -> None:
    assert crc32c.crc32c(buffer(b"123456789"), 0, 9) == 0xE3069283


@pytest.mark.parametrize("number", [0, 1, -1, 63, 64, -65, 300, (1 << 31) - 1, -(1 << 31), (1 << 62), -(1 << 63), (1 << 63) - 1])
def test_varints_come_back_as_they_were_written(number: int) -> None:
    out = bytearray(b"\xff")
    encode_varint(number, out.append)
    assert varint(buffer(bytes(out)), 1, len(out)) == (number, len(out))
    assert varint(buffer(bytes(out)), 1, len(out) - 1)[1] == -1


def test_a_varint_without_end_is_refused() -> None:
    assert varint(buffer(b"\xff" * 20), 0, 20)[1] == -1


def test_a_span_that_reaches_beyond_the_record_is_refused_and_null_is_no_span() -> None:
    assert span(buffer(b"\x04abc"), 0, 4) == (1, 3)
    assert span(buffer(b"\x0aabc"), 0, 4)[1] == -1
    assert span(buffer(b"\x01abc"), 0, 4) == (-1, 1)
