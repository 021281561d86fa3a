"""ClickHouse's HTTP interface over the embedded engine, for clickhouse-connect and clickhouse-go (Grafana's plugin).

    python -m zonepulse.streams.embedded.http.endpoint --path FOLDER --port PORT --users FILE

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
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from zonepulse.streams.embedded.clickhouse.config import TEMPORARY, WORK, confine, prepare
from zonepulse.streams.embedded.clickhouse.errors import (
    AUTHENTICATION_FAILED,
    REQUEST_TOO_LARGE,
    TIMEOUT_EXCEEDED,
    TOO_MANY_SIMULTANEOUS_QUERIES,
    UNKNOWN_EXCEPTION,
    ClickHouseError,
)
from zonepulse.streams.embedded.clickhouse.users import STRONG_CHARACTERS, Role, User, Users, read_users
from zonepulse.streams.embedded.http import codec
from zonepulse.streams.embedded.http.bodies import MAX_FORM_BYTES, BodyLimits, read_request, send_answer
from zonepulse.streams.embedded.http.connections import ConnectionLimits, Doorkeeper
from zonepulse.streams.embedded.http.protocol import CONFINEMENT, HELLO, TRANSPORT, answer_headers, credentials, header, hello
from zonepulse.streams.embedded.processes.bounded_log import BoundedLog, open_before, tell_loop_errors

if TYPE_CHECKING:  # importing chdb starts the engine's library, which reads TZ once: not before main() has set it
    from zonepulse.streams.embedded.clickhouse.engine import Engine, Limits, Result, Statement

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MIB: Final = 1 << 20
READERS: Final = 4
"""Threads of readers; together they may use half of the engine's memory."""
WRONG_S: Final = 0.05
WRONG_AT_ONCE: Final = 4
"""Wrong passwords are answered after `WRONG_S`, so many of them at once."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Threads and bounds of a role: readers never hold up writers. `waiting` statements at most are queued behind the threads."""

    threads: int
    waiting: int
    limits: "Limits"
    body: BodyLimits
    unsent_bytes: int


class Endpoint:
    """The HTTP handlers.

    A statement counts as under way until its answer is sent, and the bytes of all answers of a role that are not sent yet are bounded: at
    most `unsent_bytes` and the answers of the statements that run then.
    """

    def __init__(self, engine: "Engine", users: Users, lanes: dict[Role, Lane], confinement: int = 0) -> None:
        self._engine, self._users, self._lanes = engine, users, lanes
        self._confinement = f"landlock {confinement}" if confinement else "none"
        self._pools = {role: ThreadPoolExecutor(lane.threads, role) for role, lane in lanes.items()}
        self._pending = dict.fromkeys(lanes, 0)
        self._unsent = dict.fromkeys(lanes, 0)
        self._wrong = asyncio.Semaphore(WRONG_AT_ONCE)
        self.doorkeeper = Doorkeeper(ConnectionLimits.of_this_process())

    def app(self) -> web.Application:
        """An aiohttp application."""
        app = web.Application(client_max_size=MAX_FORM_BYTES, middlewares=[_answer_errors])
        app.router.add_get("/ping", self._ping)
        app.router.add_route("*", "/", self.handle)
        return app

    def close(self) -> None:
        """Waits for the statements that run; the engine is the caller's."""
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One statement."""
        user = await self._authenticated(request)
        self.doorkeeper.knows(request.transport)
        lane = self._lanes[user.role]
        with self._admitted(user.role):
            arguments, sql = await read_request(request, lane.body)
            if not sql:
                return web.Response(text="Ok.\n")
            statement = self._statement(user, request, arguments, sql)
            if sql.strip() == HELLO:
                return web.Response(body=hello(self._engine.version), headers={"X-ClickHouse-Format": "Native"})
            is_compressed = arguments.get("enable_http_compression") == "1"
            encoding = codec.choose(request.headers.get("Accept-Encoding", "")) if is_compressed else None
            del sql
            result, data, encoded = await self._run(user.role, statement, encoding)
            self._unsent[user.role] += len(data)
            try:
                return await send_answer(request, data, answer_headers(statement.tag, result, encoded), lane.body.stall_s)
            finally:
                self._unsent[user.role] -= len(data)

    async def _authenticated(self, request: web.Request) -> User:
        """Wrong passwords are answered late and few at a time, so that guessing is slow on any number of connections."""
        try:
            return self._users.authenticate(*credentials(request))
        except ClickHouseError:
            async with self._wrong:
                await asyncio.sleep(WRONG_S)
            raise

    @contextmanager
    def _admitted(self, role: Role) -> Iterator[None]:
        """Raises ClickHouseError 202 where too much of this role is under way."""
        lane = self._lanes[role]
        if self._pending[role] >= lane.threads + lane.waiting or self._unsent[role] > lane.unsent_bytes:
            text = f"Too many simultaneous queries: {self._pending[role]} of {role}s are under way. (TOO_MANY_SIMULTANEOUS_QUERIES)"
            raise ClickHouseError(TOO_MANY_SIMULTANEOUS_QUERIES, text)
        self._pending[role] += 1
        try:
            yield
        finally:
            self._pending[role] -= 1

    async def _run(self, role: Role, statement: "Statement", encoding: str | None) -> "tuple[Result, bytes, str | None]":
        job = self._pools[role].submit(self._work, role, statement, encoding)
        work = asyncio.wrap_future(job)
        work.add_done_callback(_seen)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:  # the client went away
            if not job.cancel():
                self._pending[role] += 1  # until the thread is free again
                work.add_done_callback(partial(self._finished, role))
                await asyncio.to_thread(self._engine.cancel, statement.tag)
            raise

    def _work(self, role: Role, statement: "Statement", encoding: str | None) -> "tuple[Result, bytes, str | None]":
        """In a thread of the role: what waited behind answers that nobody reads is turned away here."""
        lane = self._lanes[role]
        if self._unsent[role] > lane.unsent_bytes:
            text = f"Too many simultaneous queries: {role}s do not read their answers. (TOO_MANY_SIMULTANEOUS_QUERIES)"
            raise ClickHouseError(TOO_MANY_SIMULTANEOUS_QUERIES, text)
        result = self._engine.execute(statement)
        data, encoded = codec.encode(result.data, encoding)
        return replace(result, data=b""), data, encoded

    def _finished(self, role: Role, _: "asyncio.Future[tuple[Result, bytes, str | None]]") -> None:
        self._pending[role] -= 1

    def _statement(self, user: User, request: web.Request, arguments: dict[str, str], sql: bytes) -> "Statement":
        from zonepulse.streams.embedded.clickhouse.engine import Statement

        return Statement(
            user,
            sql,
            self._lanes[user.role].limits,
            header(request, "X-ClickHouse-Database") or arguments.get("database", ""),
            header(request, "X-ClickHouse-Format") or arguments.get("default_format") or "TabSeparated",
            {name: value for name, value in arguments.items() if name not in TRANSPORT and not name.startswith("param_")},
            {name.removeprefix("param_"): value for name, value in arguments.items() if name.startswith("param_")},
            request.method != "POST",
        )

    async def _ping(self, _: web.Request) -> web.Response:
        return web.Response(text="Ok.\n", headers={CONFINEMENT: self._confinement})


def _seen(work: "asyncio.Future[tuple[Result, bytes, str | None]]") -> None:
    if not work.cancelled():
        work.exception()  # nobody may be waiting for it any more


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors as ClickHouse shows them. Neither URL nor statement is logged: they may hold secrets."""
    started = time.monotonic()
    try:
        return await handler(request)
    except ClickHouseError as error:
        fault = error
    except web.HTTPException:
        raise
    except Exception:
        log.exception("the endpoint itself failed")
        fault = ClickHouseError(UNKNOWN_EXCEPTION, "the endpoint itself failed: see its log")
    log.warning("statement failed after %.3f s with code %d", time.monotonic() - started, fault.code)
    told = f"{fault}\n".encode(errors="backslashreplace")
    headers = {"X-ClickHouse-Exception-Code": str(fault.code)}
    response = web.Response(status=fault.status, body=told, content_type="text/plain", charset="utf-8", headers=headers)
    if fault.code in (AUTHENTICATION_FAILED, REQUEST_TOO_LARGE, TIMEOUT_EXCEEDED):
        response.force_close()  # what is left of its body is not read
    return response


async def serve(endpoint: Endpoint, port: int) -> None:
    """Serves on 127.0.0.1 until SIGTERM or SIGINT, then finishes what runs."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(tell_loop_errors)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(endpoint.app(), access_log=None, handler_cancellation=True, auto_decompress=False, shutdown_timeout=5.0)
    await runner.setup()
    assert runner.server is not None
    keeper = endpoint.doorkeeper
    server = await loop.create_server(partial(keeper.protocol, runner.server), "127.0.0.1", port)
    sweeping = loop.create_task(keeper.sweep())
    log.info("listening on 127.0.0.1:%d", port)
    await stop.wait()
    server.close()
    sweeping.cancel()
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
    parser.add_argument("--max-result-mb", type=int, default=1024, help="of a writer's answer; a reader's is an eighth")
    parser.add_argument("--writer-seconds", type=int, default=600, help="longest statement of a writer")
    parser.add_argument("--reader-seconds", type=int, default=30, help="longest statement of a reader")
    parser.add_argument("--stall-seconds", type=int, default=30, help="after which a body or answer without progress is given up")
    options = parser.parse_args()
    _lift_file_limit()
    os.umask(0o077)
    os.environ["TZ"] = "UTC"
    time.tzset()
    folder, users_file = options.path.resolve(), options.users.resolve()
    memory = options.max_memory_mb * MIB
    prepare(folder, memory, options.keep_free_mb * MIB)
    logging.basicConfig(level=logging.INFO, handlers=[BoundedLog(open_before(folder, "clickhouse.log.1"))])
    users = read_users(users_file, os.environ)
    for name in users.weak:
        log.warning("the password of user %r has fewer than %d characters: it can be guessed", name, STRONG_CHARACTERS)
    os.environ["TMPDIR"] = str(folder / TEMPORARY)
    os.chdir(folder / WORK)
    confinement = confine(folder)
    log.info("confined by Landlock, version %d" if confinement else "not confined: the kernel has no Landlock (%d)", confinement)
    from zonepulse.streams.embedded.clickhouse.engine import Engine, Limits

    result = options.max_result_mb * MIB
    body = BodyLimits(options.max_body_mb * MIB, options.writer_seconds, options.stall_seconds)
    readers_body = BodyLimits(MIB, 30, options.stall_seconds, ())
    readers = Limits(options.reader_seconds, memory // 2 // READERS, result // 8)
    lanes: dict[Role, Lane] = {
        "writer": Lane(4, 64, Limits(options.writer_seconds, memory * 3 // 4, result), body, result),
        "reader": Lane(READERS, 64, readers, readers_body, result // 4),
    }
    engine = Engine(Path(".."), memory)
    try:
        asyncio.run(_serve(engine, users, lanes, confinement, options.port))
    finally:
        engine.close()


async def _serve(engine: "Engine", users: Users, lanes: dict[Role, Lane], confinement: int, port: int) -> None:
    endpoint = Endpoint(engine, users, lanes, confinement)
    try:
        await serve(endpoint, port)
    finally:
        endpoint.close()


if __name__ == "__main__":
    main()
