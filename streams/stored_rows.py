"""Kafka records of the store's topics -> rows of tables. Pure: no clients, no clock."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from zonepulse.schemas.dead_letters import BadDeadLetter, decode_dead_letter
from zonepulse.schemas.records import RecordSpans
from zonepulse.schemas.results import ALERTS, DEAD_LETTERS, INTERVALS, TABLES, Column, Table
from zonepulse.schemas.tables import LIVE_RUN
from zonepulse.schemas.topics import ALERTS as ALERTS_TOPIC
from zonepulse.schemas.topics import DEADLETTERS, REGISTRY, RESULTS
from zonepulse.schemas.topics import INTERVALS as INTERVALS_TOPIC

KIND: Final = b"kind"
"""Blocks of `zp.intervals` with a kind are sums for the live view or candidates of alerts, and are not stored."""
STORED_TOPICS: Final = (REGISTRY, INTERVALS_TOPIC, RESULTS, ALERTS_TOPIC, DEADLETTERS)
"""What the store reads; `zp.registry` is registry_rows.py's."""


class BadBlock(ValueError):
    """A record of our own topics cannot be read; the message names topic, partition, offset and the reason."""


def rows_of(records: RecordSpans, topic: str, zone: str) -> Iterator[tuple[str, pa.Table]]:
    """(table, its stored columns with `run`) for each run of records; `topic` is the name without prefix. Raises BadBlock."""
    if topic in (ALERTS_TOPIC.name, DEADLETTERS.name):
        rows: list[Mapping[str, object]] = []
        table, make = (ALERTS, _alert) if topic == ALERTS_TOPIC.name else (DEAD_LETTERS, _dead_letter)
        for i in range(len(records)):
            if records.value(i) is not None or table is DEAD_LETTERS:  # a compacted alert's tombstone is no row
                rows.append(_read(records, i, make, zone))
        if rows:
            yield table.name, _from_rows(table, rows)
        return
    for i in range(len(records)):
        block = _read(records, i, _block if topic == RESULTS.name else _intervals, zone)
        if block is not None:
            yield block


def _read(records: RecordSpans, i: int, make: Any, zone: str) -> Any:
    try:
        return make(records, i, zone)
    except (ValueError, KeyError, TypeError, BadDeadLetter, pa.ArrowException) as error:
        where = f"{records.topic}/{records.partition} offset {records.offset[i]}"
        raise BadBlock(f"{where}: {type(error).__name__}: {error}; only zonepulse's own agents write this topic") from error


def _intervals(records: RecordSpans, i: int, _: str) -> tuple[str, pa.Table] | None:
    block = _arrow(records, i)
    if KIND in (block.schema.metadata or {}):
        return None
    return INTERVALS.name, stored(INTERVALS, block)


def _block(records: RecordSpans, i: int, _: str) -> tuple[str, pa.Table]:
    name = (records.key(i) or b"").decode()
    if name not in TABLES:
        raise ValueError(f"key {name!r} is no table; known: {', '.join(TABLES)}")
    return name, stored(TABLES[name], _arrow(records, i))


def _arrow(records: RecordSpans, i: int) -> pa.Table:
    return pa.ipc.open_stream(pa.py_buffer(records.value(i) or b"")).read_all()


def stored(table: Table, block: pa.Table) -> pa.Table:
    """A block as the table keeps it: stored columns, plain types, `run` first. Raises KeyError, ValueError, pa.ArrowException."""
    columns = [block.column(c.name).cast(plain_type(c)) for c in table.stored]
    return _with_run(table, columns, block.num_rows)


def _alert(records: RecordSpans, i: int, _: str) -> Mapping[str, object]:
    row = json.loads(records.value(i) or b"")
    return {c.name: row[c.name] for c in ALERTS.stored}


def _dead_letter(records: RecordSpans, i: int, zone: str) -> Mapping[str, object]:
    letter = decode_dead_letter(records.headers.get(i, ()), records.key(i), records.value(i))
    return {
        "zone": zone,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "item": letter.item,
        "reason": letter.reason,
        "key": letter.key or b"",
        "value": letter.value or b"",
        "received_at": letter.received_at_ms,
    }


def _from_rows(table: Table, rows: Sequence[Mapping[str, object]]) -> pa.Table:
    return _with_run(table, [pa.array([row[c.name] for row in rows], plain_type(c)) for c in table.stored], len(rows))


def plain_type(column: Column) -> pa.DataType:
    """The column's Arrow type without dictionary, so that blocks with other dictionaries can be joined."""
    return column.arrow.value_type if pa.types.is_dictionary(column.arrow) else column.arrow


def _with_run(table: Table, columns: Sequence[Any], rows: int) -> pa.Table:
    for column, found in zip(table.stored, columns, strict=True):
        if found.null_count and not column.null:
            raise ValueError(f"{table.name}.{column.name} holds {found.null_count} nulls, which would be stored as zero")
    fields = [pa.field("run", pa.string(), False), *(pa.field(c.name, plain_type(c), c.null) for c in table.stored)]
    return pa.Table.from_arrays([pa.array([LIVE_RUN] * rows, pa.string()), *columns], schema=pa.schema(fields))
