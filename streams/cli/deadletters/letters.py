"""Dead letters as the store has them, and what the ledger would say of them now."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from clickhouse_connect.driver.client import Client

from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.messages.readings import REASONS, decode, is_arrow
from zonepulse.schemas.messages.records import ARROW, CONTENT_TYPE, JSON, Headers, RecordSpans
from zonepulse.schemas.registry.model import Registry

SENT: Final = "accepted"
TOO_OLD: Final = "late"
BATCH: Final = 5_000
_COLUMNS: Final = "received_at, reason, topic, partition, offset, item, key, value"


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. `partition`, `offset`, `item`: where it stood in `topic`; `key` is empty where there was none."""

    received_at: datetime
    reason: str
    topic: str
    partition: int
    offset: int
    item: int
    key: bytes
    value: bytes

    @property
    def headers(self) -> Headers:
        """Those that say what the bytes are."""
        return ((CONTENT_TYPE, ARROW if is_arrow(self.value, None) else JSON),)


def reasons(client: Client) -> dict[str, int]:
    """How many dead letters there are of each reason, the most frequent first."""
    query = "SELECT reason, count() AS n FROM dead_letters_final WHERE run = 'live' GROUP BY reason ORDER BY n DESC, reason"
    return {reason: n for reason, n in client.query(query).result_rows}


def letters(client: Client, reasons: Sequence[str], limit: int | None) -> list[Letter]:
    """The newest `limit` dead letters, or all of them in the order of their logs; of all reasons where none is given."""
    where = "run = 'live'" + (" AND reason IN {reasons:Array(String)}" if reasons else "")
    order = (
        "topic, partition, offset, item" if limit is None else "received_at DESC, partition, offset DESC, item LIMIT {limit:UInt64}"
    )
    found = client.query(
        f"SELECT {_COLUMNS} FROM dead_letters_final WHERE {where} ORDER BY {order}",
        parameters={"reasons": list(reasons)} | ({} if limit is None else {"limit": limit}),
        column_formats={"key": "bytes", "value": "bytes"},
    )
    return [Letter(row[0].replace(tzinfo=UTC), *row[1:]) for row in found.result_rows]


def verdicts(found: Sequence[Letter], registry: Registry, partitions: int, now_ms: list[int]) -> Iterator[str]:
    """Why each letter would be refused if it arrived now, as the ledger itself judges; SENT if it would be accepted.

    `now_ms`: ingest time in each partition. A letter of several readings gets the first reason.
    """
    from zonepulse.processors.channels.table import compile_registry
    from zonepulse.processors.decoding.exact import decode_records
    from zonepulse.processors.metering.partition import Partition

    channels = compile_registry(registry, partitions)
    for start in range(0, len(found), BATCH):
        part = found[start : start + BATCH]
        goes_to = np.array([target(letter, partitions) for letter in part])
        said = np.full(len(part), SENT, dtype=object)
        for p in np.unique(goes_to).tolist():
            rows = np.flatnonzero(goes_to == p)
            spans = _spans([part[i] for i in rows.tolist()], p, now_ms[p])
            batch = decode_records(spans, 0, len(rows), spans.timestamp_ms, channels)
            Partition(channels, p).apply(batch.items)
            for i in reversed(np.flatnonzero(batch.items.reason).tolist()):
                said[rows[batch.record[i]]] = REASONS[int(batch.items.reason[i])]
        yield from said.tolist()


def target(letter: Letter, partitions: int) -> int:
    """The partition that a letter's bytes go to: that of its key, or where they were when they had none."""
    return partition_of(letter.key.decode("utf-8", "replace"), partitions) if letter.key else letter.partition % partitions


def _spans(part: Sequence[Letter], partition: int, at_ms: int) -> RecordSpans:
    values = [letter.value for letter in part]
    n, ends = len(values), np.cumsum([len(v) for v in values])
    none = np.full(n, -1)
    return RecordSpans(
        part[0].topic, partition, np.frombuffer(b"".join(values), np.uint8), none, none,
        ends - [len(v) for v in values], ends, np.arange(n), np.full(n, at_ms), n,
        {i: letter.headers for i, letter in enumerate(part)},
    )  # fmt: skip


_UNKNOWN: Final = "run = 'live' AND reason IN ('unknown_meter', 'unknown_register')"
_JSON_LETTERS: Final = f"""
SELECT reason, JSONExtractString(value, 'meter'), JSONExtractString(value, 'register'), count(), min(received_at), max(received_at)
FROM dead_letters_final WHERE {_UNKNOWN} AND NOT startsWith(value, unhex('FFFFFFFF')) GROUP BY 1, 2, 3"""
_ARROW_LETTERS: Final = f"""
SELECT reason, value, received_at FROM dead_letters_final WHERE {_UNKNOWN} AND startsWith(value, unhex('FFFFFFFF'))"""


def unknown_channels(client: Client) -> list[dict[str, Any]]:
    """Meters and registers of dead letters, with counts and when they came first and last; the most frequent first."""
    found: dict[tuple[str, str, str], tuple[int, datetime, datetime]] = {}

    def add(key: tuple[str, str, str], readings: int, first: datetime, last: datetime) -> None:
        n, since, until = found.get(key, (0, first, last))
        found[key] = (n + readings, min(since, first), max(until, last))

    for reason, meter, register, readings, first, last in client.query(_JSON_LETTERS).result_rows:
        add((reason, meter, register), readings, first, last)
    for reason, value, at in client.query(_ARROW_LETTERS, column_formats={"value": "bytes"}).result_rows:
        reading = decode(value)
        if reading.meter and not reading.reason[0]:  # what cannot be read any more names nothing
            add((reason, reading.meter[0], reading.register[0]), 1, at, at)
    rows = [
        {
            "meter": meter,
            "register": register,
            "unknown": reason.removeprefix("unknown_"),
            "readings": n,
            "first_seen": first.replace(tzinfo=UTC),
            "last_seen": last.replace(tzinfo=UTC),
        }
        for (reason, meter, register), (n, first, last) in found.items()
    ]
    return sorted(rows, key=lambda row: (-row["readings"], row["meter"], row["register"]))
