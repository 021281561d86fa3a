import os
import subprocess
import sys
import zlib

import lz4.frame
import pytest
import zstandard

from zonepulse.streams.embedded.clickhouse.errors import ClickHouseError
from zonepulse.streams.embedded.http import codec

ENCODINGS = ("lz4", "zstd", "gzip")
MIB = 1 << 20


def bomb(encoding: str, mebibytes: int) -> bytes:
    zeros = bytes(MIB)
    if encoding == "lz4":
        lz4_frame = lz4.frame.LZ4FrameCompressor()
        return lz4_frame.begin() + b"".join(lz4_frame.compress(zeros) for _ in range(mebibytes)) + lz4_frame.flush()
    stream = zlib.compressobj(9, zlib.DEFLATED, 31) if encoding == "gzip" else zstandard.ZstdCompressor(level=3).compressobj()
    return b"".join(stream.compress(zeros) for _ in range(mebibytes)) + stream.flush()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_many_frames_come_back_and_what_is_cut_is_an_error(encoding: str) -> None:
    plain = os.urandom(300_000) + bytes(3_000_000) + b"end"
    one, used = codec.encode(plain, encoding)
    assert used == encoding
    assert codec.decode(one * 3, encoding, 1 << 30) == plain * 3
    for cut in (1, 3, len(one) // 2):
        with pytest.raises(ClickHouseError, match="ends inside a frame"):
            codec.decode(one + one[:-cut], encoding, 1 << 30)
    with pytest.raises(ClickHouseError, match="is no valid"):
        codec.decode(one + b"nonsense" * 10, encoding, 1 << 30)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_body_of_just_the_limit_passes(encoding: str) -> None:
    for size in (MIB - 1, MIB, MIB + 1, 3 * MIB):
        body, _ = codec.encode(bytes(size), encoding)
        assert len(codec.decode(body, encoding, size)) == size
        with pytest.raises(ClickHouseError, match="307"):
            codec.decode(body, encoding, size - 1)


@pytest.mark.large
@pytest.mark.integration
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_bomb_is_refused_in_bounded_memory(encoding: str) -> None:
    """1 GiB of zeros against a limit of 64 MiB, in a process of its own, whose peak is its own."""
    script = f"""
import resource, sys
from zonepulse.streams.embedded.http import codec
body = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    codec.decode(body, {encoding!r}, {64 * MIB})
except codec.ClickHouseError as error:
    print(error.code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    told = subprocess.run([sys.executable, "-c", script], input=bomb(encoding, 1024), capture_output=True, check=True, timeout=120)
    code, grown_kib = map(int, told.stdout.split())
    assert code == 307
    assert grown_kib < 128 * 1024


@pytest.mark.parametrize("encoding", ["br", "bz2", "xz", "deflate", "", "identity", "GZIP"])
def test_only_what_can_be_stopped_is_decoded(encoding: str) -> None:
    if encoding in ("", "identity"):
        assert codec.decode(b"x", encoding, 10) == b"x"
    else:
        with pytest.raises(ClickHouseError, match="is not offered"):
            codec.decode(b"x", encoding, 10)
    assert codec.choose("br, bz2;q=1, xz, deflate") is None
