"""Kafka records of the store's topics -> rows of tables. Pure: no clients, no clock.

Every record meets one fate: it becomes rows, it is nothing to keep (a tombstone, sums for the live view), or it is poison.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from zonepulse.schemas.messages.arrow_blocks import is_plain, read_table
from zonepulse.schemas.messages.dead_letters import WHOLE_RECORD, BadDeadLetter, decode_dead_letter
from zonepulse.schemas.messages.hand_overs import HEADER, HandOver, parse_hand_over
from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.schemas.messages.topics import ALERTS as ALERTS_TOPIC
from zonepulse.schemas.messages.topics import DEADLETTERS, RESULTS
from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.schemas.tables.results import ALERT_EVENTS, ALERTS, DEAD_LETTERS, INTERVALS, TABLES, Column, Table
from zonepulse.schemas.values import LATEST_MS, check_brackets
from zonepulse.streams.clickhouse.write_queue import Piece
from zonepulse.streams.kafka.interval_codec import CANDIDATES, KIND, LIVE_PARTIAL, MAX_BLOCK_ROWS, block_metadata
from zonepulse.streams.kafka.origin import Origin, UnknownMeter

_LEDGERS: Final = {name: table for name, table in TABLES.items() if not table.own_topic}
"""What comes on `zp.results`; the others have topics of their own."""
POISON: Final = "poison"
SKIPPED: Final = "skipped by a command"
MAX_CODE_BYTES: Final = 1_000
"""Of a text in a column of few values, such as the reason of a dead letter."""
Row = Mapping[str, object]
Made = tuple[Row, HandOver | None]
"""A row, and by which hand-over its maker got its state."""


@dataclass(frozen=True, slots=True)
class Poison:
    """Record `at` (its position in the batch) cannot be kept as what it claims to be, and why."""

    at: int
    why: str
    is_unknown_meter: bool = False
    """A newer registry may know it."""


def rows_of(
    records: RecordSpans, topic: str, origin: Origin, skipped: Collection[int] = ()
) -> Iterator[tuple[str, Piece] | Poison]:
    """(table, its stored columns with `run`) or poison for each run of records; `topic` is the name without prefix, `skipped` are
    positions that a command names.

    A dead letter that is unreadable is poison and a row as well: it is kept as it is.
    """
    yield from (Poison(i, SKIPPED) for i in skipped)
    if topic == ALERTS_TOPIC.name:
        rows = (i for i in range(len(records)) if records.value(i) is not None)  # a compacted alert's tombstone is no row
        kept = [i for i in rows if i not in skipped]
        for found in _rows(records, ALERTS, kept, lambda i: (_alert(records, i, origin), _hand_over(records, i))):
            yield found
            if not isinstance(found, Poison):
                yield ALERT_EVENTS.name, found[1]
    elif topic == DEADLETTERS.name:
        yield from _letters(records, origin.zone)
    else:
        for i in range(len(records)):
            if i not in skipped:
                yield from _of_block(records, i, topic, origin)


def _of_block(records: RecordSpans, i: int, topic: str, origin: Origin) -> Iterator[tuple[str, Piece] | Poison]:
    try:
        found = _block(records, i, origin) if topic == RESULTS.name else _intervals(records, i, origin)
        if found is not None and (hand_over := _hand_over(records, i)) is not None:
            found = found[0], _handed_over(TABLES[found[0]], found[1], hand_over)
    except Exception as error:  # damaged bytes raise of any kind
        yield Poison(i, reason_of(error), isinstance(error, UnknownMeter))
        return
    if found is not None and found[1].num_rows:
        table, rows = found
        yield table, Piece(rows, records, [i], [rows.num_rows])


def _rows(
    records: RecordSpans, table: Table, kept: Sequence[int], make: Callable[[int], Made]
) -> Iterator[tuple[str, Piece] | Poison]:
    """One row a record; all at once where all are good, else one by one to find those that are not."""
    try:
        if kept:
            yield table.name, _piece(records, table, kept, [make(i) for i in kept])
        return
    except Exception as error:
        if len(kept) == 1:
            yield Poison(kept[0], reason_of(error))
            return
    middle = len(kept) // 2
    yield from _rows(records, table, kept[:middle], make)
    yield from _rows(records, table, kept[middle:], make)


def _piece(records: RecordSpans, table: Table, kept: Sequence[int], made: Sequence[Made]) -> Piece:
    rows = _from_rows(table, [row for row, _ in made])
    for hand_over in {by for _, by in made if by is not None}:
        rows = _handed_over(table, rows, hand_over, pa.array([by == hand_over for _, by in made]))
    return Piece(rows, records, kept, range(1, len(kept) + 1))


def _hand_over(records: RecordSpans, i: int) -> HandOver | None:
    """Raises ValueError."""
    text = records.header(i, HEADER)
    return None if text is None else parse_hand_over(text)


def _handed_over(table: Table, rows: pa.Table, by: HandOver, made_so: pa.Array | None = None) -> pa.Table:
    """The rows that were made by a state that was handed over (all, or those of `made_so`): in its stretch they are its run's."""
    own = lies_within(table, rows, by.from_ms, by.to_ms)
    own = own if made_so is None else pc.and_(own, made_so)
    return rows.set_column(0, rows.schema.field("run"), pc.if_else(own, by.run, rows["run"]))


def lies_within(table: Table, rows: pa.Table, from_ms: int, to_ms: int) -> pa.ChunkedArray:
    """Which rows are of [`from_ms`, `to_ms`), as Table.within says."""
    at = pc.cast(rows[table.time], pa.int64())
    last = pc.add(at, pc.subtract(pc.multiply(pc.cast(rows[table.lasts], pa.int64()), 1000), 1)) if table.lasts else at
    return pc.and_(pc.greater_equal(at, from_ms), pc.less(last, to_ms))


def reason_of(error: BaseException) -> str:
    """What an exception says of a record, in one bounded line."""
    return f"{type(error).__name__}: {error}"[:300]


def _intervals(records: RecordSpans, i: int, origin: Origin) -> tuple[str, pa.Table] | None:
    metadata = block_metadata(records.value(i) or b"")
    if metadata.get(KIND) in (LIVE_PARTIAL, CANDIDATES):
        return None
    origin.check_block(metadata)
    rows = stored(INTERVALS, _arrow(records, i, INTERVALS))
    origin.check_rows(INTERVALS, rows, int(records.timestamp_ms[i]))
    origin.check_meters(rows)
    return INTERVALS.name, rows


def _block(records: RecordSpans, i: int, origin: Origin) -> tuple[str, pa.Table]:
    name = (records.key(i) or b"").decode()
    if name not in _LEDGERS:
        raise ValueError(f"key {name[:100]!r} is no table of this topic; known: {', '.join(_LEDGERS)}")
    rows = stored(_LEDGERS[name], _arrow(records, i, _LEDGERS[name]))
    origin.check_rows(_LEDGERS[name], rows, int(records.timestamp_ms[i]))
    return name, rows


def _arrow(records: RecordSpans, i: int, table: Table) -> pa.Table:
    return read_table(records.value(i) or b"", {c.name: is_plain for c in table.stored}, MAX_BLOCK_ROWS)


def stored(table: Table, block: pa.Table) -> pa.Table:
    """A block as the table keeps it: stored columns, plain types, `run` first. Raises KeyError, ValueError, pa.ArrowException."""
    columns = [block.column(c.name).cast(plain_type(c)) for c in table.stored]
    return _with_run(table, columns, block.num_rows)


def _alert(records: RecordSpans, i: int, origin: Origin) -> Row:
    value = records.value(i) or b""
    check_brackets(value)
    row = json.loads(value)
    kept = {c.name: row[c.name] for c in ALERTS.stored}
    for column in ALERTS.stored:
        if isinstance(kept[column.name], bool):
            raise ValueError(f"{column.name} is {kept[column.name]}, expected {column.kind}")
    origin.check_alert(kept, int(records.timestamp_ms[i]))
    return kept


def _letters(records: RecordSpans, zone: str) -> Iterator[tuple[str, Piece] | Poison]:
    for found in _rows(
        records, DEAD_LETTERS, range(len(records)), lambda i: (_dead_letter(records, i, zone), _hand_over(records, i))
    ):
        yield found
        if isinstance(found, Poison):
            yield DEAD_LETTERS.name, _piece(records, DEAD_LETTERS, [found.at], [(_as_it_is(records, found.at, zone), None)])


def _dead_letter(records: RecordSpans, i: int, zone: str) -> Row:
    letter = decode_dead_letter(records.headers.get(i, ()), records.key(i), records.value(i))
    if letter.partition < 0 or letter.offset < 0 or letter.item < WHOLE_RECORD or not 0 <= letter.received_at_ms <= LATEST_MS:
        raise BadDeadLetter(f"dead letter of {letter.topic[:100]}: a number in its headers is out of range")
    if max(len(letter.topic.encode()), len(letter.reason.encode())) > MAX_CODE_BYTES:
        raise BadDeadLetter(f"dead letter whose topic or reason is longer than {MAX_CODE_BYTES} bytes")
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


def _as_it_is(records: RecordSpans, i: int, zone: str) -> Row:
    """An unreadable letter under its own place."""
    return {
        "zone": zone,
        "topic": records.topic,
        "partition": records.partition,
        "offset": int(records.offset[i]),
        "item": WHOLE_RECORD,
        "reason": POISON,
        "key": records.key(i) or b"",
        "value": records.value(i) or b"",
        "received_at": min(max(0, int(records.timestamp_ms[i])), LATEST_MS),
    }


def _from_rows(table: Table, rows: Sequence[Row]) -> pa.Table:
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
