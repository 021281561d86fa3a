"""ClickHouse's HTTP interface over the embedded engine, for clickhouse-connect and clickhouse-go (Grafana's plugin).

    python -m zonepulse.streams.embedded.clickhouse_endpoint --path FOLDER --port PORT --users FILE

Not offered: sessions (settings end with their request), external tables, `compress=1` block framing, progress headers.
"""

import argparse
import asyncio
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from zonepulse.streams.embedded import http_codec
from zonepulse.streams.embedded.clickhouse_errors import (
    NOT_IMPLEMENTED,
    REQUEST_TOO_LARGE,
    TOO_MANY_SIMULTANEOUS_QUERIES,
    UNKNOWN_EXCEPTION,
    ClickHouseError,
)
from zonepulse.streams.embedded.clickhouse_http import HELLO, TRANSPORT, answer_headers, credentials, hello
from zonepulse.streams.embedded.clickhouse_users import Role, User, Users, read_users

if TYPE_CHECKING:  # importing chdb starts the engine's library, which reads TZ once: not before main() has set it
    from zonepulse.streams.embedded.clickhouse_engine import Engine, Limits, Result, Statement

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Lane:
    """Threads and bounds of a role: readers never hold up writers. `waiting` statements at most are queued behind the threads."""

    threads: int
    waiting: int
    limits: "Limits"


class Endpoint:
    """The HTTP handlers. Closing it ends the engine."""

    def __init__(self, engine: "Engine", users: Users, lanes: dict[Role, Lane], max_body_bytes: int) -> None:
        self._engine, self._users, self._lanes, self._max_body_bytes = engine, users, lanes, max_body_bytes
        self._pools = {role: ThreadPoolExecutor(lane.threads, role) for role, lane in lanes.items()}
        self._pending = dict.fromkeys(lanes, 0)

    def app(self) -> web.Application:
        """An aiohttp application."""
        app = web.Application(client_max_size=self._max_body_bytes, middlewares=[_answer_errors])
        app.router.add_get("/ping", _ping)
        app.router.add_route("*", "/", self.handle)
        return app

    def close(self) -> None:
        """Waits for the statements that run, then ends the engine."""
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)
        self._engine.close()

    async def handle(self, request: web.Request) -> web.Response:
        """One statement."""
        user = self._users.authenticate(*credentials(request))
        arguments, sql = await self._read(request)
        if not sql:
            return web.Response(text="Ok.\n")
        statement = self._statement(user, request, arguments, sql)
        if sql.strip() == HELLO:
            return web.Response(body=hello(self._engine.version), headers={"X-ClickHouse-Format": "Native"})
        is_compressed = arguments.get("enable_http_compression") == "1"
        encoding = http_codec.choose(request.headers.get("Accept-Encoding", "")) if is_compressed else None
        result, data, encoded = await self._run(user.role, statement, encoding)
        return web.Response(body=data, headers=answer_headers(statement.tag, result, encoded))

    async def _run(self, role: Role, statement: "Statement", encoding: str | None) -> "tuple[Result, bytes, str | None]":
        lane = self._lanes[role]
        if self._pending[role] >= lane.threads + lane.waiting:
            text = f"Too many simultaneous queries: {self._pending[role]} of {role}s are under way. (TOO_MANY_SIMULTANEOUS_QUERIES)"
            raise ClickHouseError(TOO_MANY_SIMULTANEOUS_QUERIES, text)
        self._pending[role] += 1
        job = self._pools[role].submit(_execute, self._engine, statement, encoding)
        work = asyncio.wrap_future(job)
        work.add_done_callback(partial(self._finished, role))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:  # the client went away
            if not job.cancel():
                await asyncio.to_thread(self._engine.cancel, statement.tag)
            raise

    def _finished(self, role: Role, work: "asyncio.Future[tuple[Result, bytes, str | None]]") -> None:
        self._pending[role] -= 1
        if not work.cancelled():
            work.exception()  # seen: nobody may be waiting for it any more

    async def _read(self, request: web.Request) -> tuple[dict[str, str], bytes]:
        """Arguments of the URL and the form, and the statement: the `query` argument, then the body."""
        arguments = dict(request.query)
        for name in ("compress", "decompress"):
            if arguments.get(name, "0") == "1":
                raise ClickHouseError(NOT_IMPLEMENTED, f"{name}=1 is not offered: use enable_http_compression or Content-Encoding")
        if request.content_type == "multipart/form-data":
            form = await request.post()
            files = [name for name, value in form.items() if not isinstance(value, str)]
            if files:
                raise ClickHouseError(NOT_IMPLEMENTED, f"external tables ({', '.join(files)}) are not offered: insert into a table")
            arguments |= {name: value for name, value in form.items() if isinstance(value, str)}
            body = b""
        else:
            encoded, encoding = await request.read(), request.headers.get("Content-Encoding", "").lower()
            body = await asyncio.to_thread(http_codec.decode, encoded, encoding, self._max_body_bytes) if encoding else encoded
        query = arguments.get("query", "").encode()
        return arguments, query + b"\n" + body if query and body else query or body

    def _statement(self, user: User, request: web.Request, arguments: dict[str, str], sql: bytes) -> "Statement":
        from zonepulse.streams.embedded.clickhouse_engine import Statement

        return Statement(
            user,
            sql,
            self._lanes[user.role].limits,
            request.headers.get("X-ClickHouse-Database") or arguments.get("database", ""),
            request.headers.get("X-ClickHouse-Format") or arguments.get("default_format") or "TabSeparated",
            {name: value for name, value in arguments.items() if name not in TRANSPORT and not name.startswith("param_")},
            {name.removeprefix("param_"): value for name, value in arguments.items() if name.startswith("param_")},
            request.method != "POST",
        )


def _execute(engine: "Engine", statement: "Statement", encoding: str | None) -> "tuple[Result, bytes, str | None]":
    result = engine.execute(statement)
    return (result, *http_codec.encode(result.data, encoding))


async def _ping(_: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors as ClickHouse shows them. Neither URL nor statement is logged: they may hold secrets."""
    started = time.monotonic()
    try:
        return await handler(request)
    except web.HTTPRequestEntityTooLarge as error:
        fault = ClickHouseError(REQUEST_TOO_LARGE, f"the body is too large: {error.text}: send it in parts")
    except ClickHouseError as error:
        fault = error
    except web.HTTPException:
        raise
    except Exception:
        log.exception("the endpoint itself failed")
        fault = ClickHouseError(UNKNOWN_EXCEPTION, "the endpoint itself failed: see its log")
    log.warning("statement failed after %.3f s with code %d", time.monotonic() - started, fault.code)
    return web.Response(status=fault.status, text=f"{fault}\n", headers={"X-ClickHouse-Exception-Code": str(fault.code)})


async def serve(endpoint: Endpoint, port: int) -> None:
    """Serves on 127.0.0.1 until SIGTERM or SIGINT, then finishes what runs."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(endpoint.app(), access_log=None, handler_cancellation=True, auto_decompress=False, shutdown_timeout=5.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    log.info("listening on 127.0.0.1:%d", port)
    await stop.wait()
    await runner.cleanup()
    log.info("stopped")


def _lift_file_limit() -> None:
    """The engine cuts a file short at such a limit and says nothing."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    if hard != resource.RLIM_INFINITY:
        sys.exit(f"files of this process may have {hard} bytes at most (RLIMIT_FSIZE), and rows would be lost: lift that limit")
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def main() -> None:
    """The server process."""
    parser = argparse.ArgumentParser(description="ClickHouse's HTTP interface over the embedded engine")
    parser.add_argument("--path", type=Path, required=True, help="data folder")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--users", type=Path, required=True, help="JSON: name, role (writer, reader), password or password_env")
    parser.add_argument("--max-memory-mb", type=int, default=4096, help="of the engine; one statement may use three quarters")
    parser.add_argument("--keep-free-mb", type=int, default=512, help="of the disk: what would need them is refused (code 243)")
    parser.add_argument("--max-body-mb", type=int, default=512, help="of a request, before and after decompression")
    parser.add_argument("--max-result-mb", type=int, default=1024, help="of a writer's answer; a reader's is a quarter")
    parser.add_argument("--writer-seconds", type=int, default=600, help="longest statement of a writer")
    parser.add_argument("--reader-seconds", type=int, default=30, help="longest statement of a reader")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    os.environ["TZ"] = "UTC"
    time.tzset()
    _lift_file_limit()
    from zonepulse.streams.embedded.clickhouse_engine import Engine, Limits

    memory = options.max_memory_mb * MIB
    lanes: dict[Role, Lane] = {
        "writer": Lane(4, 64, Limits(options.writer_seconds, memory * 3 // 4, options.max_result_mb * MIB)),
        "reader": Lane(4, 64, Limits(options.reader_seconds, memory // 4, options.max_result_mb * MIB // 4)),
    }
    users = read_users(options.users, os.environ)
    endpoint = Endpoint(Engine(options.path, memory, options.keep_free_mb * MIB), users, lanes, options.max_body_mb * MIB)
    try:
        asyncio.run(serve(endpoint, options.port))
    finally:
        endpoint.close()


if __name__ == "__main__":
    main()
