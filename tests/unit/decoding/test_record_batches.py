import os

import numpy as np
import pytest
from aiokafka.record.util import calc_crc32c, encode_varint
from fetches import Message, RecordBatch

from zonepulse.processors.decoding.crc32c import crc32c, scan_checked
from zonepulse.processors.decoding.record_batches import BAD_CRC, BATCH, COMPLETE, HEADER_BYTES, span, varint


def buffer(raw: bytes) -> np.ndarray:
    return np.frombuffer(raw, np.uint8)


@pytest.mark.parametrize("size", [0, 1, 2, 7, 8, 9, 63, 64, 65, 16_384, 1 << 20])
def test_the_checksum_is_crc32c_at_every_length_and_place(size: int) -> None:
    raw = os.urandom(size + 3)
    for start in (0, 3):
        assert crc32c(buffer(raw)[start : start + size]) == calc_crc32c(raw[start : start + size])


def test_the_checksum_of_the_standards_example() -> None:
    assert crc32c(buffer(b"123456789")) == 0xE3069283
    assert crc32c(buffer(b"")) == 0


def scanned(raw: bytes, must_check_crc: bool = True) -> tuple[int, int, int]:
    return scan_checked(buffer(raw), must_check_crc, np.empty(len(raw) // HEADER_BYTES + 1, BATCH).view(np.recarray))


@pytest.mark.parametrize("at", [17, 20, 21, 23, 57, 61, 70, 90])
def test_one_bit_of_a_batch_stops_the_walk_there(at: int) -> None:
    batches = [RecordBatch([Message(b"value" * 10)], n).raw for n in range(3)]
    size = len(batches[0])
    assert scanned(b"".join(batches)) == (3, COMPLETE, 3 * size)
    damaged = bytearray(b"".join(batches))
    damaged[size + at] ^= 0x80
    assert scanned(bytes(damaged)) == (1, BAD_CRC, size)
    if at not in (23, 57):
        assert scanned(bytes(damaged), must_check_crc=False)[1] == COMPLETE


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
