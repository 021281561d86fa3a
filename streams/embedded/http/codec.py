"""HTTP content encodings in both directions; a body may consist of many compressed frames, one behind the other.

Only decoders that can be stopped are used: each is asked for a slice of its output at a time, so that a body never makes more than the
limit and one slice.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import cramjam
import lz4.frame
import zstandard

from zonepulse.streams.embedded.clickhouse.errors import CANNOT_DECOMPRESS, NOT_IMPLEMENTED, REQUEST_TOO_LARGE, ClickHouseError

_SLICE: Final = 64 * 1024
_OUT: Final = 1 << 20
_SMALL: Final = 1024
_MAX_WINDOW: Final = 1 << 27
"""Of zstd: what its own command line takes without being told."""


class _Frame(Protocol):
    """Decoder of one frame. `more` yields what `data` decompresses to, in slices; `rest` is what follows the frame."""

    @property
    def is_done(self) -> bool: ...
    @property
    def rest(self) -> bytes: ...
    def more(self, data: bytes) -> Iterator[bytes]: ...


class _Gzip:
    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)

    @property
    def is_done(self) -> bool:
        return self._decoder.eof

    @property
    def rest(self) -> bytes:
        return self._decoder.unused_data

    def more(self, data: bytes) -> Iterator[bytes]:
        made = b""
        while (data or len(made) == _OUT) and not self._decoder.eof:  # a full slice: the decoder may hold more of the same input
            made = self._decoder.decompress(data, _OUT)
            yield made
            data = self._decoder.unconsumed_tail


class _Lz4:
    def __init__(self) -> None:
        self._decoder = lz4.frame.LZ4FrameDecompressor()

    @property
    def is_done(self) -> bool:
        return bool(self._decoder.eof)

    @property
    def rest(self) -> bytes:
        return self._decoder.unused_data or b""

    def more(self, data: bytes) -> Iterator[bytes]:
        yield self._decoder.decompress(data, _OUT)
        while not self._decoder.eof and not self._decoder.needs_input:
            yield self._decoder.decompress(b"", _OUT)


class _Zstd:
    """zstd has no decoder with a bound a call that also says where a frame ends; a block makes 128 KiB at most, so small pieces do."""

    def __init__(self) -> None:
        self._decoder = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).decompressobj(write_size=_OUT)
        self._rest = b""

    @property
    def is_done(self) -> bool:
        return self._decoder.eof

    @property
    def rest(self) -> bytes:
        return self._rest

    def more(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), _ZSTD_PIECE):
            yield self._decoder.decompress(data[at : at + _ZSTD_PIECE])
            if self._decoder.eof:
                self._rest = (self._decoder.unused_data or b"") + data[at + _ZSTD_PIECE :]
                return


_ZSTD_PIECE: Final = 1024
"""Bytes of 341 blocks of the shortest kind (3 bytes of header and 1 repeated byte): 43 MB of output at most."""
_FRAMES: Final[dict[str, Callable[[], _Frame]]] = {"lz4": _Lz4, "zstd": _Zstd, "gzip": _Gzip}
_ENCODERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "lz4": lz4.frame.compress,
    "zstd": lambda data: zstandard.ZstdCompressor(level=1).compress(data),
    "gzip": lambda data: bytes(cramjam.gzip.compress(data, level=1)),
}
"""Fastest first: of what a client accepts, the first is used."""


def decode(body: bytes, encoding: str, limit: int) -> bytes:
    """All frames of a body, at most `limit` bytes. A truncated frame or rest is an error, never silently lost rows."""
    if encoding in ("", "identity"):
        plain = body
    elif encoding in _FRAMES:
        plain = _decode_frames(body, _FRAMES[encoding], encoding, limit)
    else:
        raise ClickHouseError(NOT_IMPLEMENTED, f"Content-Encoding {encoding[:100]!a} is not offered: use {', '.join(_FRAMES)}")
    if len(plain) > limit:
        raise too_large(limit)
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


def too_large(limit: int) -> ClickHouseError:
    """A body is longer than it may be."""
    return ClickHouseError(REQUEST_TOO_LARGE, f"the body has more than {limit} bytes: send it in parts")


def _decode_frames(body: bytes, new_frame: Callable[[], _Frame], encoding: str, limit: int) -> bytes:
    """Slices are small, so that what a frame leaves over is cheap to hand on to the next."""
    out = bytearray()
    position, frame = 0, None
    view = memoryview(body)
    while position < len(body):
        frame = new_frame() if frame is None else frame
        piece = bytes(view[position : position + _SLICE])
        try:
            for made in frame.more(piece):
                out += made
                if len(out) > limit:
                    raise too_large(limit)
        except ClickHouseError:
            raise
        except Exception as error:  # each library has a class of its own
            raise ClickHouseError(CANNOT_DECOMPRESS, f"the body is no valid {encoding} at byte {position}: {error}") from error
        position += len(piece)
        if frame.is_done:
            position -= len(frame.rest)
            frame = None
    if frame is not None:
        raise ClickHouseError(CANNOT_DECOMPRESS, f"the {encoding} body ({len(body)} bytes) ends inside a frame: send it again")
    return bytes(out)
