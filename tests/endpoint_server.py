"""An endpoint for tests: how to ask it as one of its users, in plain HTTP."""

import base64
import http.client
from typing import NamedTuple

from zonepulse.streams.embedded.clickhouse.process import READER, WRITER, ClickHouseProcess


class Answer(NamedTuple):
    """`code` is ClickHouse's error code, 0 without one."""

    status: int
    code: int
    body: bytes


def ask(
    server: ClickHouseProcess,
    sql: str | bytes,
    query: str = "",
    *,
    user: str = READER,
    method: str = "POST",
    headers: dict[str, str] | None = None,
    timeout_s: float = 60,
) -> Answer:
    """One statement in the body."""
    basic = base64.b64encode(f"{user}:{server.password(user)}".encode()).decode()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout_s)
    try:
        body = sql.encode(errors="surrogatepass") if isinstance(sql, str) else sql
        connection.request(method, f"/?{query}", body, {"Authorization": f"Basic {basic}"} | (headers or {}))
        response = connection.getresponse()
        return Answer(response.status, int(response.getheader("X-ClickHouse-Exception-Code", "0")), response.read())
    finally:
        connection.close()


def as_writer(server: ClickHouseProcess, sql: str | bytes, query: str = "", **more: object) -> bytes:
    """What the writer is answered; an error fails the test."""
    answer = ask(server, sql, query, user=WRITER, **more)  # type: ignore[arg-type]
    assert answer.code == 0, answer.body
    return answer.body
