"""Questions to ClickHouse as the dashboards put them: a screen's SQL, its variables, a range of time."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from zonepulse.streams.queries.macros import TimeRange, Value, with_macros, with_variables
from zonepulse.streams.screen import Stop
from zonepulse.streams.servers import first_line

Row = dict[str, Any]
AT_ONCE: Final = 2
"""Questions that the board puts at the same time, whoever opens how many pages."""


class StoreAway(RuntimeError):
    """The store does not answer; the message says why."""


class Store:
    """Asks by a client that `connect` makes at the first question, and again after a failure."""

    def __init__(self, connect: Callable[[], AbstractContextManager[Client]]) -> None:
        self._connect = connect
        self._held: tuple[AbstractContextManager[Client], Client] | None = None
        self._lock = threading.Lock()
        self._free = asyncio.Semaphore(AT_ONCE)
        self.questions = 0
        """How many the store was asked."""

    async def ask(self, sql: str, variables: Mapping[str, Value], time: TimeRange) -> list[Row]:
        """The rows by column name. Raises StoreAway."""
        text = with_macros(with_variables(sql, variables), time)
        async with self._free:
            return await asyncio.to_thread(self._rows, text)

    def _rows(self, sql: str) -> list[Row]:
        self.questions += 1
        try:
            found = self._client().query(sql)
            return [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]
        except (ClickHouseError, Stop, OSError) as error:
            self.close()
            raise StoreAway(str(error) if isinstance(error, Stop) else first_line(error)) from error

    def _client(self) -> Client:
        with self._lock:
            if self._held is None:
                manager = self._connect()
                self._held = manager, manager.__enter__()
            return self._held[1]

    def close(self) -> None:
        """Gives the client back; the next question makes another."""
        with self._lock:
            held, self._held = self._held, None
        if held is not None:
            held[0].__exit__(None, None, None)
