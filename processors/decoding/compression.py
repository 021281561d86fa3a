"""What Kafka's codecs made of a record batch's records -> the records. Never trusts a length that a sender wrote.

All write into a buffer of ours: what does not fit is refused, however much it says it would become.
"""

from collections.abc import Callable
from typing import Any, Final

import cramjam

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
"""Values of the lowest three attribute bits."""
MAX_BYTES: Final = 64_000_000
"""Of a record batch, uncompressed. Four times what a producer may gather into one, and more than any record that a broker takes."""
_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES: Final = 16


class BadCompression(ValueError):
    """The bytes are not what their codec says, or become more than the room for them."""


def _snappy_block(packed: memoryview, out: Any) -> int:
    size = cramjam.snappy.decompress_raw_len(packed)
    if size > len(out):
        raise BadCompression(f"snappy block of {size} bytes where there is room for {len(out)}")
    return int(cramjam.snappy.decompress_raw_into(packed, out)) if size else 0


def _snappy(packed: memoryview, out: Any) -> int:
    """Xerial framing (Java's and most others'), or one raw block (librdkafka's)."""
    if bytes(packed[: len(_XERIAL)]) != _XERIAL:
        return _snappy_block(packed, out)
    at, done = _XERIAL_HEADER_BYTES, 0
    while at < len(packed):
        size = int.from_bytes(packed[at : at + 4], "big")
        if size > len(packed) - at - 4:
            raise BadCompression(f"snappy block of {size} bytes where {max(0, len(packed) - at - 4)} are left")
        done += _snappy_block(packed[at + 4 : at + 4 + size], out[done:])
        at += 4 + size
    return done


_DECODERS: Final[dict[int, Callable[[memoryview, Any], int]]] = {
    GZIP: cramjam.gzip.decompress_into,
    SNAPPY: _snappy,
    LZ4: cramjam.lz4.decompress_into,
    ZSTD: cramjam.zstd.decompress_into,
}


def decompress(codec: int, packed: memoryview, out: Any) -> int:
    """Writes the records to the beginning of `out` (uint8); returns how many bytes they are. Raises BadCompression."""
    decoder = _DECODERS.get(codec)
    if decoder is None:
        raise BadCompression(f"codec {codec} is unknown; Kafka has 1 gzip, 2 snappy, 3 lz4, 4 zstd")
    try:
        return int(decoder(packed, out))
    except BadCompression:
        raise
    except BaseException as bad:  # a panic of the library is no Exception
        if not isinstance(bad, Exception) and type(bad).__name__ != "PanicException":
            raise
        raise BadCompression(str(bad)[:200]) from bad
