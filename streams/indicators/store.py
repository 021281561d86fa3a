"""Questions to the store."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from clickhouse_connect.driver.exceptions import ClickHouseError

from zonepulse.streams import servers
from zonepulse.streams.screen import Stop

Ask = Callable[[str, Mapping[str, Any]], list[dict[str, Any]]]


@contextmanager
def store() -> Iterator[Ask]:
    """Puts queries to the store of the settings. Raises Stop where it does not answer."""
    with servers.store_client(servers.settings()) as client:

        def ask(query: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
            try:
                found = client.query(query, parameters=dict(parameters))
            except ClickHouseError as error:
                raise Stop(f"the store does not answer: {servers.first_line(error)}; `zonepulse doctor` looks at it") from error
            return [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]

        yield ask
