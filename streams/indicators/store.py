"""Questions to the store."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from zonepulse.streams import servers
from zonepulse.streams.screen import Stop

Ask = Callable[[str, Mapping[str, Any]], list[dict[str, Any]]]


@contextmanager
def store() -> Iterator[Ask]:
    """Puts queries to the store of the settings. Raises Stop where it does not answer."""
    with servers.store_client(servers.settings()) as client:
        ask_client = asker(client)

        def ask(query: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
            try:
                return ask_client(query, parameters)
            except ClickHouseError as error:
                raise Stop(f"the store does not answer: {servers.first_line(error)}; `zonepulse doctor` looks at it") from error

        yield ask


def asker(client: Client) -> Ask:
    """Puts queries to a client. Raises ClickHouseError."""

    def ask(query: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        return list(client.query(query, parameters=dict(parameters)).named_results())

    return ask
