"""Records of `zp.intervals` -> what the ledger is offered, one record's fate its own: it is offered whole, or refused with the reason.

Nothing of a refused record reaches the ledger: control (a partition's `through`) counts only where it is plausible by the record's own
Kafka time, rows only of a known partition, registry version and register.
"""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from zonepulse.processors.blocks import interval_rows
from zonepulse.processors.channels import Channels
from zonepulse.processors.layout import Records
from zonepulse.processors.live import PARTIAL
from zonepulse.schemas.alerts import STATES
from zonepulse.schemas.records import RecordSpans
from zonepulse.schemas.results import ALERTS, INTERVALS
from zonepulse.streams.arrow_wire import NO_PARTITION, IntervalBlock, decode_block
from zonepulse.streams.origin import FromNowhere, Origin
from zonepulse.streams.registry_store import RegistryStore


@dataclass(frozen=True, slots=True)
class Offered:
    """One record, judged: its block, the registry version that its rows were made with (None where it has no rows), and the rows."""

    block: IntervalBlock
    channels: Channels | None = None
    rows: Records | None = None


async def take(records: RecordSpans, i: int, origin: Origin, registries: RegistryStore) -> Offered:
    """Record `i` for the ledger. Raises whatever says that it cannot be used: damaged bytes raise of any kind."""
    block = decode_block(records.value(i) or b"")
    block.batch.validate(full=True)
    if block.candidates is not None:
        _check_candidates(block, origin, int(records.timestamp_ms[i]))
        return Offered(block)
    _check_place(block, origin)
    if block.live_at_ms is not None:
        _check_schema(block.batch, PARTIAL)
        return Offered(block, await registries.published(block.registry))
    _check_schema(block.batch, INTERVALS.arrow_schema)
    latest_tick = origin.latest_ms(int(records.timestamp_ms[i])) // origin.tick_ms + 1
    if block.through is not None and not 0 <= block.through <= latest_tick:
        raise FromNowhere(f"through is {block.through}, expected a tick up to {latest_tick}")
    origin.check_rows(INTERVALS, pa.Table.from_batches([block.batch]), int(records.timestamp_ms[i]))
    channels = await registries.published(block.registry)
    return Offered(block, channels, interval_rows(block.batch, channels))


def _check_place(block: IntervalBlock, origin: Origin) -> None:
    if not 0 <= block.partition < origin.partitions:
        raise FromNowhere(f"partition {block.partition} of {origin.partitions}")


def _check_schema(batch: pa.RecordBatch, expected: pa.Schema) -> None:
    if not batch.schema.remove_metadata().equals(expected.remove_metadata()):
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
