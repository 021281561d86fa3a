"""Settings from the environment, and connections that say what is missing when they fail."""

import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zonepulse.streams.access.probe import refusal
from zonepulse.streams.screen import Stop
from zonepulse.streams.settings import Settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

TIMEOUT_S = 5.0


def settings() -> Settings:
    """From `ZONEPULSE_*`. Raises BadSetting."""
    return Settings.from_env(os.environ)


def is_reachable(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=TIMEOUT_S).close()
    except OSError:
        return False
    return True


def bootstrap_servers(broker: str) -> list[tuple[str, int]]:
    """Host and port of each server in `host:port,host:port`. Raises Stop."""
    servers = []
    for server in broker.split(","):
        host, _, port = server.strip().rpartition(":")
        if not host or not (port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 65_536):
            raise Stop(f"ZONEPULSE_BROKER is {broker[:200]!r}, expected host:port, several separated by commas")
        servers.append((host.strip("[]"), int(port)))
    return servers


def is_broker_reachable(settings: Settings) -> bool:
    """Whether one of its servers accepts connections. Raises Stop for a setting that names none."""
    return any(is_reachable(host, port) for host, port in bootstrap_servers(settings.broker))


def require_broker(settings: Settings) -> str:
    """The bootstrap servers, one of which lets this client in. Raises Stop: the client itself would try for long and say little."""
    logging.getLogger("kafka").addHandler(logging.NullHandler())  # what the client has to say comes as exceptions
    there = [server for server in bootstrap_servers(settings.broker) if is_reachable(*server)]
    if not there:
        raise Stop(f"no Kafka broker at {settings.broker}: start one with `zonepulse up`, or set ZONEPULSE_BROKER=host:port")
    refusals = [refusal(settings.broker, host, port) for host, port in there]
    if all(refusals):
        raise Stop(f"the Kafka broker at {refusals[0]}")
    return settings.broker


@contextmanager
def store_client(settings: Settings, database: str = "zonepulse") -> Iterator["Client"]:
    """A client of the store's database, or another one of its server. Raises Stop where nothing listens or the user is refused."""
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

    logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())  # what it has to say comes as exceptions
    host, port, user = settings.clickhouse_host, settings.clickhouse_port, settings.clickhouse_user
    if not is_reachable(host, port):
        raise Stop(
            f"no ClickHouse at {host}:{port}: start one with `zonepulse up`, or set ZONEPULSE_CLICKHOUSE_HOST and _PORT (HTTP)"
        )
    try:
        client = clickhouse_connect.get_client(**settings.store, database=database)
    except DatabaseError as error:
        if error.code is None:
            raise Stop(f"{host}:{port} does not answer as ClickHouse's HTTP interface: {first_line(error)}") from error
        raise Stop(f"ClickHouse at {host}:{port} refuses user {user!r}: {first_line(error)}; {_remedy(error)}") from error
    except ClickHouseError as error:
        raise Stop(f"{host}:{port} does not answer as ClickHouse's HTTP interface: {first_line(error)}") from error
    try:
        yield client
    finally:
        client.close()


def _remedy(error: Any) -> str:
    if getattr(error, "code", None) == 81:  # UNKNOWN_DATABASE
        return "the database is missing: start the stack with `zonepulse up`, which applies the migrations"
    return "set ZONEPULSE_CLICKHOUSE_USER and ZONEPULSE_CLICKHOUSE_PASSWORD"


def first_line(error: BaseException) -> str:
    """What went wrong, without what clickhouse-connect wraps around the server's words."""
    text = (str(error).splitlines() or [type(error).__name__])[0]
    return re.sub(r" \(for url [^)]*\)$", "", text.partition("server response: ")[2] or text)
