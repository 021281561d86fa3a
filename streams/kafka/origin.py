"""Whether rows can come from this zone: its partitions, its meters, and times no later than the record that carries them. Pure.

Judged by the records' own times, never by a clock, so that reading again judges the same.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from zonepulse.schemas.registry.wire import MAX_VERSION
from zonepulse.schemas.tables.results import ALERTS, Table
from zonepulse.schemas.values import LATEST_MS
from zonepulse.streams.kafka.interval_codec import PARTITION, REGISTRY

DAY_MS: Final = 86_400_000
SKEW_MS: Final = 7 * DAY_MS
"""Clocks of hosts may differ by so much before rows are taken for forged: a wrong clock must not cost rows."""
MAX_DIGITS: Final = 20
"""Of a number in a block's metadata."""


class FromNowhere(ValueError):
    """Rows that no worker of this zone can have made; the message says why."""


class UnknownMeter(FromNowhere):
    """Rows of a register that no known version of the registry has."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The zone that rows must come from. `registers` gives (meter, register) of every known registry version, as `meter/register`."""

    zone: str
    partitions: int
    tick_ms: int
    future_ms: int
    registers: Callable[[], Collection[str]]
    is_simulated: bool = False
    """Then the producer sets the times, years ahead if it likes: only the end of time bounds them."""

    def latest_ms(self, record_ms: int) -> int:
        """The latest time that a record of this Kafka timestamp may speak of."""
        return LATEST_MS if self.is_simulated else min(LATEST_MS, record_ms + self.future_ms + SKEW_MS)

    def check_block(self, metadata: Mapping[bytes, bytes]) -> None:
        """A block's source partition and registry version. Raises FromNowhere."""
        for name, end in ((PARTITION, self.partitions), (REGISTRY, MAX_VERSION)):
            text = metadata.get(name, b"")
            if not (text.isdigit() and len(text) <= MAX_DIGITS and int(text) < end):
                raise FromNowhere(f"metadata {name.decode()} is {text[:40]!r}, expected a number below {end}")

    def check_rows(self, table: Table, rows: pa.Table, record_ms: int) -> None:
        """Zone, times and revisions of rows. Raises FromNowhere."""
        if not rows.num_rows:
            return
        if pc.unique(rows["zone"]).to_pylist() != [self.zone]:
            raise FromNowhere(f"rows of zone {str(pc.unique(rows['zone'])[0])[:100]!r}, expected {self.zone!r}")
        latest = self.latest_ms(record_ms)
        for column in table.stored:
            if column.kind == "time":
                _check_range(column.name, rows[column.name].cast(pa.int64()), latest if column.name == table.time else LATEST_MS)
        if table.versioned:
            _check_range("revision", rows["revision"], latest // self.tick_ms + 1)

    def check_alert(self, row: Mapping[str, Any], record_ms: int) -> None:
        """The same for one alert. Raises FromNowhere."""
        if row["zone"] != self.zone:
            raise FromNowhere(f"an alert of zone {str(row['zone'])[:100]!r}, expected {self.zone!r}")
        latest = self.latest_ms(record_ms)
        ends = {ALERTS.time: latest, "ends_at": LATEST_MS, "revision": latest // self.tick_ms + 1}
        if str(row["rule"]).startswith("ops_"):
            ends["revision"] = latest  # these count by the wall clock
        for name, end in ends.items():
            if row[name] is not None and not (type(row[name]) is int and 0 <= row[name] <= end):
                raise FromNowhere(f"{name} is {str(row[name])[:40]}, expected a number from 0 to {end}")

    def check_meters(self, rows: pa.Table) -> None:
        """Registers of interval rows. Raises UnknownMeter."""
        if rows.num_rows:
            known = self.registers()
            for name in pc.unique(pc.binary_join_element_wise(rows["meter"], rows["register"], "/")).to_pylist():
                if name not in known:
                    raise UnknownMeter(f"no registry version has the register {name[:200]!r}")


def _check_range(name: str, found: Any, latest: int) -> None:
    bounds = pc.min_max(found).as_py()
    if bounds["min"] is not None and (bounds["min"] < 0 or bounds["max"] > latest):
        raise FromNowhere(f"{name} lies between {bounds['min']} and {bounds['max']}, expected 0 to {latest}")
