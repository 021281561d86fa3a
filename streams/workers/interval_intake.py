"""Rows of `zp.intervals` -> what the ledger is offered, one record's fate its own: it is offered whole, or refused with the reason.

Nothing of a refused record reaches the ledger: control (a partition's `through`) counts only where it is plausible by the record's own
Kafka time, rows only of a known partition, registry version and register.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from zonepulse.processors.channels.table import Channels
from zonepulse.processors.flow import Rows
from zonepulse.processors.live import PARTIAL
from zonepulse.processors.metering.interval_rows import interval_rows
from zonepulse.schemas.messages.alerts import STATES
from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.schemas.tables.interval_block import INTERVAL_BLOCK
from zonepulse.schemas.tables.results import ALERTS, INTERVALS
from zonepulse.streams.control.registry_store import RegistryMissing, RegistryStore
from zonepulse.streams.kafka.interval_codec import NO_PARTITION, IntervalBlock, decode_block
from zonepulse.streams.kafka.origin import FromNowhere, Origin
from zonepulse.streams.workers.one_thread import OneThread


@dataclass(frozen=True, slots=True)
class Offered:
    """One record, judged: its block, the registry version that its rows were made with (None where it has no rows), and the rows."""

    block: IntervalBlock
    channels: Channels | None = None
    rows: Rows | None = None


Judged = dict[int, IntervalBlock | Exception]
"""Position of a record -> its block, or why it cannot be used."""
Taken = dict[int, Offered | Exception]


async def take(
    records: RecordSpans,
    skipped: Collection[int],
    may_be_due: Callable[[int, IntervalBlock], bool],
    origin: Origin,
    registries: RegistryStore,
    newest: int,
    thread: OneThread,
) -> Taken:
    """The records, less those `skipped` and those that, by offset and block, cannot be due, for the ledger, or what says that one cannot
    be used. Decoded in `thread`.

    Live sums of an older registry version are read by `newest`, the one that the ledger uses.
    """
    judged = await thread.run(_judge_all, records, skipped, origin, thread.beat)
    judged = {i: b for i, b in judged.items() if isinstance(b, Exception) or may_be_due(int(records.offset[i]), b)}
    numbers = {i: _version(block, newest) for i, block in judged.items() if not isinstance(block, Exception)}
    known: dict[int, Channels | Exception] = {}
    for number in sorted({n for n in numbers.values() if n is not None}):
        try:
            known[number] = await registries.published(number)
        except RegistryMissing as missing:
            known[number] = missing
    return await thread.run(_offered_all, judged, numbers, known, thread.beat)


def _judge_all(records: RecordSpans, skipped: Collection[int], origin: Origin, beat: Callable[[], object]) -> Judged:
    judged: Judged = {}
    for i in range(len(records)):
        beat()
        if i not in skipped:
            try:
                judged[i] = _judge(records, i, origin)
            except Exception as error:  # damaged or forged bytes raise of any kind
                judged[i] = error
    return judged


def _judge(records: RecordSpans, i: int, origin: Origin) -> IntervalBlock:
    block = decode_block(records.value(i) or b"")
    if block.candidates is not None:
        _check_candidates(block, origin, int(records.timestamp_ms[i]))
        return block
    _check_place(block, origin)
    if block.live_at_ms is not None:
        _check_schema(block.batch, PARTIAL)
        return block
    _check_schema(block.batch, INTERVAL_BLOCK, INTERVALS.arrow_schema)
    latest_tick = origin.latest_ms(int(records.timestamp_ms[i])) // origin.tick_ms + 1
    if block.through is not None and not 0 <= block.through <= latest_tick:
        raise FromNowhere(f"through is {block.through}, expected a tick up to {latest_tick}")
    origin.check_rows(INTERVALS, pa.Table.from_batches([block.batch]), int(records.timestamp_ms[i]))
    return block


def _version(block: IntervalBlock, newest: int) -> int | None:
    """The registry version that a block is read by; None: it needs none."""
    if block.candidates is not None:
        return None
    return block.registry if block.live_at_ms is None else max(block.registry, newest)


def _offered_all(
    judged: Judged, numbers: Mapping[int, int | None], known: Mapping[int, Channels | Exception], beat: Callable[[], object]
) -> Taken:
    taken: Taken = {}
    for i, block in judged.items():
        beat()
        if isinstance(block, Exception):
            taken[i] = block
            continue
        number = numbers[i]
        channels = None if number is None else known[number]
        try:
            taken[i] = channels if isinstance(channels, Exception) else _offered(block, channels)
        except Exception as error:  # a register that this version does not have
            taken[i] = error
    return taken


def _offered(block: IntervalBlock, channels: Channels | None) -> Offered:
    has_rows = channels is not None and block.live_at_ms is None
    return Offered(block, channels, interval_rows(block.batch, channels) if has_rows and channels is not None else None)


def _check_place(block: IntervalBlock, origin: Origin) -> None:
    if not 0 <= block.partition < origin.partitions:
        raise FromNowhere(f"partition {block.partition} of {origin.partitions}")


def _check_schema(batch: pa.RecordBatch, *expected: pa.Schema) -> None:
    """One of these."""
    if not any(batch.schema.remove_metadata().equals(schema.remove_metadata()) for schema in expected):
        raise FromNowhere(f"columns {', '.join(batch.schema.names)[:200]} are not those of such a block")


def _check_candidates(block: IntervalBlock, origin: Origin, record_ms: int) -> None:
    if block.partition != NO_PARTITION:
        _check_place(block, origin)
    names = {c.name for c in ALERTS.columns} - {"zone"}
    for row in block.candidates or ():
        found: Any = row
        if not isinstance(found, dict) or found.keys() != names or found["state"] not in STATES:
            raise FromNowhere("a candidate is no transition of an alert")
        if block.partition == NO_PARTITION and not str(found["rule"]).startswith("ops_"):
            raise FromNowhere(f"rule {str(found['rule'])[:40]!r} comes from no partition, and is not about the pipeline")
        origin.check_alert({"zone": origin.zone, **found}, record_ms)
