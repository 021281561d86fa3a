"""What Kafka's codecs made of a record batch's records -> the records. Never trusts a length that a sender wrote."""

from collections.abc import Callable
from typing import Any, Final

import cramjam

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
"""Values of the lowest three attribute bits."""
_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES: Final = 16


class BadCompression(ValueError):
    """The bytes are not what their codec says."""


def _snappy(packed: memoryview) -> bytes:
    """Xerial framing (Java's and most others'), or one raw block (librdkafka's)."""
    if bytes(packed[: len(_XERIAL)]) != _XERIAL:
        return bytes(cramjam.snappy.decompress_raw(packed))
    blocks, at = [], _XERIAL_HEADER_BYTES
    while at < len(packed):
        size = int.from_bytes(packed[at : at + 4], "big")
        if size > len(packed) - at - 4:
            raise BadCompression(f"snappy block of {size} bytes where {max(0, len(packed) - at - 4)} are left")
        blocks.append(bytes(cramjam.snappy.decompress_raw(packed[at + 4 : at + 4 + size])))
        at += 4 + size
    return b"".join(blocks)


_DECODERS: Final[dict[int, Callable[[memoryview], Any]]] = {
    GZIP: cramjam.gzip.decompress,
    SNAPPY: _snappy,
    LZ4: cramjam.lz4.decompress,
    ZSTD: cramjam.zstd.decompress,
}


def decompress(codec: int, packed: memoryview) -> Any:
    """The records as an object with the buffer interface. Raises BadCompression."""
    decoder = _DECODERS.get(codec)
    if decoder is None:
        raise BadCompression(f"codec {codec} is unknown; Kafka has 1 gzip, 2 snappy, 3 lz4, 4 zstd")
    try:
        return decoder(packed)
    except (cramjam.DecompressionError, OSError) as bad:
        raise BadCompression(str(bad)) from bad
