"""What ClickHouse's HTTP interface says around a statement: credentials, arguments, headers, and clickhouse-go's greeting."""

import base64
import json
from typing import TYPE_CHECKING, Final

from aiohttp import web

from zonepulse.streams.embedded.clickhouse.errors import BAD_ARGUMENTS, ClickHouseError

if TYPE_CHECKING:
    from zonepulse.streams.embedded.clickhouse.engine import Result

TRANSPORT: Final = frozenset(
    {
        "query",
        "database",
        "session_id",
        "session_timeout",
        "session_check",
        "query_id",
        "compress",
        "decompress",
        "user",
        "password",
    }
    | {
        "quota_key",
        "default_format",
        "enable_http_compression",
        "client_protocol_version",
        "wait_end_of_query",
        "buffer_size",
        "role",
    }
    | {"http_headers_progress_interval_ms", "send_progress_in_http_headers", "cancel_http_readonly_queries_on_client_close"}
)
"""Query arguments that are no settings."""
CONFINEMENT: Final = "X-Zonepulse-Confinement"
"""Header of /ping: `landlock VERSION` or `none`."""
HELLO: Final = b"SELECT displayName(), version(), revision(), timezone()"
"""What clickhouse-go asks first over HTTP."""
_CONTENT_TYPES: Final = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
}


def credentials(request: web.Request) -> tuple[str, str]:
    """User and password from ClickHouse's headers, basic authentication or the URL, in this order."""
    if "X-ClickHouse-User" in request.headers:
        return request.headers["X-ClickHouse-User"], request.headers.get("X-ClickHouse-Key", "")
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return "", ""
        return name, password
    return request.query.get("user", "default"), request.query.get("password", "")


def header(request: web.Request, name: str) -> str:
    """A header's text, "" without it. Raises ClickHouseError 36 for bytes that are none."""
    text: str = request.headers.get(name, "")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ClickHouseError(BAD_ARGUMENTS, f"header {name} is no UTF-8. (BAD_ARGUMENTS)") from None
    return text


def answer_headers(tag: str, result: "Result", encoding: str | None) -> dict[str, str]:
    """Headers of an answer; `encoding` is its Content-Encoding, None for none."""
    summary = {
        "read_rows": result.read_rows,
        "read_bytes": result.read_bytes,
        "written_rows": result.written_rows,
        "written_bytes": result.written_bytes,
        "elapsed_ns": int(result.elapsed_s * 1e9),
    }
    headers = {
        "Content-Type": _CONTENT_TYPES.get(result.format, "application/octet-stream"),
        "X-ClickHouse-Format": result.format,
        "X-ClickHouse-Timezone": "UTC",
        "X-ClickHouse-Query-Id": tag,
        "X-ClickHouse-Server-Display-Name": "zonepulse",
        "X-ClickHouse-Summary": json.dumps({name: str(count) for name, count in summary.items()}),
    }
    return headers | ({"Content-Encoding": encoding} if encoding else {})


def hello(version: str) -> bytes:
    """The answer to clickhouse-go's first statement: one Native block in the newest form it knows (block info, a byte for
    custom serialization a column). Revision 0 makes it read every later block as plain Native, which is what the engine writes.
    """

    def text(value: str) -> bytes:
        raw = value.encode()
        return bytes([len(raw)]) + raw

    columns = (
        ("displayName()", "String", text("zonepulse")),
        ("version()", "String", text(version)),
        ("revision()", "UInt32", bytes(4)),
        ("timezone()", "String", text("UTC")),
    )
    block_info = b"\x01\x00\x02\xff\xff\xff\xff\x00"
    return block_info + bytes([len(columns), 1]) + b"".join(text(name) + text(kind) + b"\0" + data for name, kind, data in columns)
