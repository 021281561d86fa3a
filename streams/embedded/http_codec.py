"""HTTP content encodings in both directions; a body may consist of many compressed frames, one behind the other."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Final, Protocol

import cramjam
import lz4.frame
import zstandard

from zonepulse.streams.embedded.clickhouse_errors import CANNOT_DECOMPRESS, NOT_IMPLEMENTED, REQUEST_TOO_LARGE, ClickHouseError

_SLICE: Final = 64 * 1024
_SMALL: Final = 1024


class _Frame(Protocol):
    """Decoder of one frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, /) -> bytes: ...


_FRAMES: Final[dict[str, Callable[[], _Frame]]] = {
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    "gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
    "deflate": zlib.decompressobj,
    "bz2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
}

_ENCODERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "lz4": lz4.frame.compress,
    "zstd": lambda data: zstandard.ZstdCompressor(level=1).compress(data),
    "gzip": lambda data: bytes(cramjam.gzip.compress(data, level=1)),
    "br": lambda data: bytes(cramjam.brotli.compress(data, level=1)),
    "deflate": lambda data: zlib.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
    "bz2": lambda data: bz2.compress(data, 1),
}
"""Fastest first: of what a client accepts, the first is used."""


def decode(body: bytes, encoding: str, limit: int) -> bytes:
    """All frames of a body, at most `limit` bytes. A truncated frame or rest is an error, never silently lost rows."""
    if encoding in ("", "identity"):
        plain = body
    elif encoding == "br":
        plain = _decode_brotli(body)
    elif encoding in _FRAMES:
        plain = _decode_frames(body, _FRAMES[encoding], encoding, limit)
    else:
        raise ClickHouseError(NOT_IMPLEMENTED, f"Content-Encoding {encoding!r} is unknown; known: br, {', '.join(_FRAMES)}")
    if len(plain) > limit:
        raise _too_large(limit)
    return plain


def choose(accepted: str) -> str | None:
    """The encoding of an answer for an Accept-Encoding header, None for none."""
    offered = {item.partition(";")[0].strip().lower() for item in accepted.split(",")}
    return next((name for name in _ENCODERS if name in offered), None)


def encode(body: bytes, encoding: str | None) -> tuple[bytes, str | None]:
    """The body and the encoding it is in now; a small body is left alone."""
    if encoding is None or len(body) < _SMALL:
        return body, None
    return _ENCODERS[encoding](body), encoding


def _decode_frames(body: bytes, new_frame: Callable[[], _Frame], encoding: str, limit: int) -> bytes:
    """Slices are small, so that what a frame leaves over is cheap to hand on to the next."""
    out: list[bytes] = []
    size, position, frame = 0, 0, None
    view = memoryview(body)
    while position < len(body):
        frame = new_frame() if frame is None else frame
        piece = bytes(view[position : position + _SLICE])
        try:
            out.append(frame.decompress(piece))
        except Exception as error:  # each library has a class of its own
            raise ClickHouseError(CANNOT_DECOMPRESS, f"the body is no valid {encoding} at byte {position}: {error}") from error
        position += len(piece)
        if frame.eof:
            position -= len(frame.unused_data or b"")
            frame = None
        size += len(out[-1])
        if size > limit:
            raise _too_large(limit)
    if frame is not None:
        raise ClickHouseError(CANNOT_DECOMPRESS, f"the {encoding} body ({len(body)} bytes) ends inside a frame: send it again")
    return b"".join(out)


def _decode_brotli(body: bytes) -> bytes:
    """One stream: the format has no frames, so a second one behind it must not be mistaken for its end."""
    try:
        plain = bytes(cramjam.brotli.decompress(body))
    except cramjam.DecompressionError as error:
        raise ClickHouseError(CANNOT_DECOMPRESS, f"the body is no valid br: {error}") from error
    try:
        cramjam.brotli.decompress(body[:-1])
    except cramjam.DecompressionError:
        return plain
    raise ClickHouseError(CANNOT_DECOMPRESS, "more follows behind the br stream: send one stream, or use lz4, zstd or gzip")


def _too_large(limit: int) -> ClickHouseError:
    return ClickHouseError(REQUEST_TOO_LARGE, f"the body has more than {limit} bytes: send it in parts")
