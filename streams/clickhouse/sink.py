"""Where rows end up: the Sink protocol and ClickHouse behind it.

A row is written at least once; `ReplacingMergeTree` on its natural key makes that once for the reader. The deduplication token is a
pure function of the rows and of where they come from, so a retried insert is not written again and another insert never shares it
(ClickHouse drops other rows under a known token without a word).
"""

import asyncio
import zlib
from dataclasses import dataclass
from typing import Any, Final, Protocol

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError

from zonepulse.schemas.tables.ddl import DATABASE
from zonepulse.streams.settings import Settings

TIMEOUT_S: Final = 30
RETRY_AFTER_S: Final = 1.0
_INSERT: Final = {"async_insert": 0, "insert_deduplicate": 1}
_BUSY_CODES: Final = frozenset({3, 75, 76, 159, 160, 202, 203, 209, 210, 241, 242, 243, 252, 279, 319, 425, 745, 999})
"""ClickHouse errors that pass: cut connections, full disks, time-outs, queries, memory, read-only replica, space, parts, keeper."""
_ROW_CODES: Final = frozenset({6, 26, 27, 33, 38, 41, 53, 70, 72, 117, 128, 131, 321, 349, 407, 469, 636})
"""ClickHouse errors about what is in the rows: values that cannot be parsed, converted or kept, data that cannot be read, constraints."""
_TOO_MANY_PARTS: Final = 252
_SPREAD: Final = "single INSERT block"
"""The same code says that parts must be merged first, which passes, and that one insert's rows lie in too many months, which does not."""


@dataclass(frozen=True, slots=True)
class Source:
    """The Kafka records that rows come from: offsets `first` to `last`, both included."""

    topic: str
    partition: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Rows of one table, with its stored columns and `run`."""

    table: str
    rows: pa.Table
    source: Source

    def token(self) -> str:
        """Equal for equal rows of equal offsets, different otherwise."""
        checksum = 0
        for batch in self.rows.combine_chunks().to_batches():
            checksum = zlib.crc32(batch.serialize(), checksum)
        s = self.source
        return f"{self.table}/{s.topic}/{s.partition}/{s.first}-{s.last}/{self.rows.num_rows}/{checksum:08x}"


class SinkBackpressure(RuntimeError):
    """Cannot write now; the same batch may be tried again after `retry_after_s` seconds."""

    def __init__(self, reason: str, retry_after_s: float = RETRY_AFTER_S) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class SinkRejected(RuntimeError):
    """Will never take these rows. `rows` = how many, `code` = ClickHouse's error code, None if it gave none.

    `is_about_rows`: the reason is a value in them, and others would be taken; else the store is not as it must be (no such table, no
    right to write), which no other rows would change.
    """

    def __init__(self, reason: str, rows: int, code: int | None, *, is_about_rows: bool = False) -> None:
        super().__init__(reason)
        self.rows, self.code, self.is_about_rows = rows, code, is_about_rows


class Sink(Protocol):
    """Takes rows for good."""

    async def write(self, batch: RowBatch) -> None:
        """Returns when the rows are durable. Raises SinkBackpressure or SinkRejected; then nothing, or all of it, was written."""


class ClickHouseSink:
    """Column inserts over ClickHouse's HTTP interface, in a thread; connects at the first write. One write at a time."""

    def __init__(self, settings: Settings, timeout_s: int = TIMEOUT_S) -> None:
        self._settings, self._timeout_s = settings, timeout_s
        self._client: Client | None = None

    async def write(self, batch: RowBatch) -> None:
        """See Sink."""
        await asyncio.to_thread(self._write, batch)

    def _write(self, batch: RowBatch) -> None:
        rows = batch.rows.num_rows
        try:
            summary = self._connected().insert_arrow(
                batch.table, batch.rows, database=DATABASE, settings=_INSERT | {"insert_deduplication_token": batch.token()}
            )
        except ClickHouseError as error:
            raise _failure(error, f"table {batch.table}", rows, self._where) from error
        if 0 < summary.written_rows < rows:
            raise SinkRejected(
                f"ClickHouse at {self._where} took {summary.written_rows} of {rows} rows for {batch.table}", rows, None
            )

    def _connected(self) -> Client:
        if self._client is None:
            self._client = clickhouse_connect.get_client(
                **self._settings.store, connect_timeout=5, send_receive_timeout=self._timeout_s
            )
        return self._client

    @property
    def _where(self) -> str:
        return f"{self._settings.clickhouse_host}:{self._settings.clickhouse_port}"


def _failure(error: Exception, what: str, rows: int, where: str) -> SinkBackpressure | SinkRejected:
    code: Any = getattr(error, "code", None)
    is_spread = code == _TOO_MANY_PARTS and _SPREAD in str(error)
    if code in _ROW_CODES or is_spread:
        reason = f"ClickHouse at {where} refuses {rows} rows for {what} (code {code}): {error}"
        return SinkRejected(reason, rows, code, is_about_rows=True)
    if code in _BUSY_CODES or (code is None and isinstance(error, OperationalError)) or not isinstance(error, DatabaseError):
        return SinkBackpressure(f"ClickHouse at {where} cannot take {what} now: {error}")
    return SinkRejected(f"ClickHouse at {where} refuses {rows} rows for {what} (code {code}): {error}", rows, code)
