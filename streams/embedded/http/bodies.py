"""Bodies of requests and answers: how long they may be, and how long one waits for the other side."""

import asyncio
from dataclasses import dataclass
from typing import Final

from aiohttp import BodyPartReader, ClientError, web
from aiohttp.http_exceptions import HttpProcessingError

from zonepulse.streams.embedded.clickhouse.errors import BAD_ARGUMENTS, NOT_IMPLEMENTED, TIMEOUT_EXCEEDED, ClickHouseError
from zonepulse.streams.embedded.http import codec

STALL_S: Final = 30.0
"""A body or an answer that makes no progress for so long is given up."""
MAX_FORM_BYTES: Final = 1 << 20
_CHUNK: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Of requests and answers of a role: bytes before and after decompression, seconds from a body's first byte to its last, seconds
    without progress after which either side is given up, and the encodings taken (None: all that are known)."""

    bytes: int
    seconds: float
    stall_s: float = STALL_S
    encodings: tuple[str, ...] | None = None


async def read_request(request: web.Request, limits: BodyLimits) -> tuple[dict[str, str], bytes]:
    """Arguments of the URL and the form, and the statement: the `query` argument, then the body. Raises ClickHouseError."""
    arguments = dict(request.query)
    for name in ("compress", "decompress"):
        if arguments.get(name, "0") == "1":
            raise ClickHouseError(NOT_IMPLEMENTED, f"{name}=1 is not offered: use enable_http_compression or Content-Encoding")
    encoding = request.headers.get("Content-Encoding", "").lower()
    if encoding and limits.encodings is not None and encoding not in limits.encodings:
        raise ClickHouseError(NOT_IMPLEMENTED, "a reader's statement is not to be compressed: send it as it is")
    try:
        async with asyncio.timeout(limits.seconds):
            if request.content_type == "multipart/form-data":
                arguments |= await _form(request, limits)
                body = b""
            else:
                body = await _body(request, limits)
    except (ClientError, HttpProcessingError, ConnectionError) as error:
        raise ClickHouseError(BAD_ARGUMENTS, f"the body cannot be read: {error!a:.200}") from None
    except TimeoutError:
        raise ClickHouseError(TIMEOUT_EXCEEDED, "the request did not come to its end in time. (TIMEOUT_EXCEEDED)") from None
    if encoding:
        body = await asyncio.to_thread(codec.decode, body, encoding, limits.bytes)
    try:
        query = arguments.get("query", "").encode()
        _ = [f"{name}{value}".encode() for name, value in arguments.items()]
    except UnicodeEncodeError:
        raise ClickHouseError(BAD_ARGUMENTS, "an argument of the URL is no UTF-8") from None
    return arguments, query + b"\n" + body if query and body else query or body


async def _body(request: web.Request, limits: BodyLimits) -> bytes:
    limit = limits.bytes
    if (request.content_length or 0) > limit:
        raise codec.too_large(limit)
    body = bytearray()
    while True:
        async with asyncio.timeout(limits.stall_s):
            piece = await request.content.readany()
        if not piece:
            return bytes(body)
        body += piece
        if len(body) > limit:
            raise codec.too_large(limit)


async def _form(request: web.Request, limits: BodyLimits) -> dict[str, str]:
    """Fields only; a file is refused before it is read."""
    form: dict[str, str] = {}
    size = 0
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or part.name is None:
                raise ClickHouseError(BAD_ARGUMENTS, "a part of the form has no name")
            if part.filename is not None:
                text = f"external tables ({part.name[:100]!a}) are not offered: insert into a table"
                raise ClickHouseError(NOT_IMPLEMENTED, text)
            value = bytearray()
            while piece := await asyncio.wait_for(part.read_chunk(), limits.stall_s):
                value += piece
                size += len(piece)
                if size > MAX_FORM_BYTES:
                    raise codec.too_large(MAX_FORM_BYTES)
            form[part.name] = value.decode()
    except (ClickHouseError, TimeoutError):
        raise
    except Exception as error:  # aiohttp's parser has no class of its own for what it does not understand
        raise ClickHouseError(BAD_ARGUMENTS, f"the form cannot be read: {error!a:.200}") from None
    return form


async def send_answer(request: web.Request, data: bytes, headers: dict[str, str], stall_s: float = STALL_S) -> web.StreamResponse:
    """Sends it in pieces, each only when the one before has left; ends the connection of a client that takes none."""
    response = web.StreamResponse(headers=headers)
    response.content_length = len(data)
    view = memoryview(data)
    try:
        async with asyncio.timeout(stall_s):
            await response.prepare(request)
        for at in range(0, len(data), _CHUNK):
            async with asyncio.timeout(stall_s):
                await response.write(bytes(view[at : at + _CHUNK]))
        async with asyncio.timeout(stall_s):
            await response.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    return response
