"""Result rows as columns: the one description that Arrow blocks, Parquet files and ClickHouse tables are made from.

Times are int64 epoch milliseconds in arrays and Arrow (`timestamp(ms, UTC)`), `DateTime64(3, 'UTC')` in ClickHouse.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa

_CLICKHOUSE: Final = {
    "str": "String",
    "code": "LowCardinality(String)",
    "time": "DateTime64(3, 'UTC')",
    "i64": "Int64",
    "i32": "Int32",
    "u32": "UInt32",
    "f64": "Float64",
    "bytes": "String",
}


@cache
def _arrow(kind: str) -> "pa.DataType":
    """Imports pyarrow, which whoever asks for names alone does without."""
    import pyarrow as pa

    types = {
        "str": pa.string(),
        "code": pa.dictionary(pa.int32(), pa.string()),
        "time": pa.timestamp("ms", tz="UTC"),
        "i64": pa.int64(),
        "i32": pa.int32(),
        "u32": pa.uint32(),
        "f64": pa.float64(),
        "bytes": pa.binary(),
    }
    return types[kind]


@dataclass(frozen=True, slots=True)
class Column:
    """`kind` is a key of the type table; `null` allows null."""

    name: str
    kind: str
    null: bool = False
    stored: bool = True
    """False: travels between agents, is not kept."""

    @property
    def arrow(self) -> "pa.DataType":
        """Its type in Arrow blocks and Parquet files."""
        return _arrow(self.kind)

    @property
    def clickhouse(self) -> str:
        """Its type in ClickHouse."""
        name = _CLICKHOUSE[self.kind]
        return f"Nullable({name})" if self.null else name


@dataclass(frozen=True, slots=True)
class Table:
    """A result table: what is said, sent, stored, replayed and compared of it follows from here.

    `key` are the identifying columns, in ORDER BY order, without `run`; `time` is the partitioning column.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    time: str
    versioned: bool = True
    """Of a key the row of the highest `revision` counts."""
    folds: bool = True
    """Rows of one key become one in time; then there is a `_final` view that reads them so."""
    is_final: bool = False
    """Follows from readings and registry alone: a replay makes it, a promoted run's rows stand for the live ones."""
    live_only: str = ""
    """Of a final table, the rows that no replay makes, as an SQL condition: they stay when a run is promoted."""
    own_topic: bool = False
    """Comes by a topic of its own; the others are blocks on `zp.results`, keyed by the table's name."""
    keep_days: int = 0
    """Rows are dropped so long after `time`; 0: never."""
    lasts: str = ""
    """The column that says how many seconds the stretch lasts that a row is about, where that is more than a window: a part of the log has
    only the rows that lie in it whole."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What its columns mean that column_notes.py does not tell for every table."""

    @property
    def stored(self) -> tuple[Column, ...]:
        """The columns that are kept."""
        return tuple(c for c in self.columns if c.stored)

    def within(self, low: str, high: str) -> str:
        """Which rows lie in [low, high), as SQL of two times."""
        end = f"addSeconds({self.time}, {self.lasts}) <= {high}" if self.lasts else f"{self.time} < {high}"
        return f"{self.time} >= {low} AND {end}"

    @property
    def arrow_schema(self) -> "pa.Schema":
        """The schema of a block, unstored columns included."""
        import pyarrow as pa

        return pa.schema([pa.field(c.name, c.arrow, c.null) for c in self.columns])


def _columns(text: str) -> tuple[Column, ...]:
    """`name:kind` separated by blanks; `?` behind a kind allows null, a leading `-` means not stored."""
    out = []
    for item in text.split():
        name, kind = item.split(":")
        out.append(Column(name.lstrip("-"), kind.rstrip("?"), kind.endswith("?"), not name.startswith("-")))
    return tuple(out)


INTERVALS: Final = Table(
    "intervals",
    _columns(
        "zone:code meter:code register:code start:time length_s:i32 site:code company:code node:code carrier:code role:code"
        " direction:code value_micro:i64? estimated_micro:i64 covered_ms:i64 quality:code method:code revision:i64"
        " -was_value_micro:i64? -was_estimated_micro:i64 -was_covered_ms:i64"
    ),
    ("zone", "meter", "register", "start"),
    "start",
    is_final=True,
    own_topic=True,
)
EMISSIONS: Final = Table(
    "emissions",
    _columns(
        "zone:code company:code meter:code register:code start:time length_s:i32 scope:i32 basis:code energy_micro:i64?"
        " co2e_mg:i64? estimated_micro:i64 factor_id:code rung:code revision:i64"
    ),
    ("zone", "company", "meter", "register", "start", "scope", "basis"),
    "start",
    is_final=True,
)
TOTALS: Final = Table(
    "totals",
    _columns(
        "zone:code entity_kind:code entity:code start:time length_s:i32 carrier:code scope:i32 basis:code energy_micro:i64?"
        " co2e_mg:i64? estimated_micro:i64 covered_ms:i64 expected_ms:i64 revision:i64"
    ),
    ("zone", "entity_kind", "entity", "start", "carrier", "scope", "basis"),
    "start",
    is_final=True,
)
INTENSITY: Final = Table(
    "intensity",
    _columns(
        "zone:code node:code basis:code start:time length_s:i32 energy_micro:i64? co2e_mg:i64? g_per_kwh:f64?"
        " estimated_share:f64 covered_ms:i64 expected_ms:i64 revision:i64"
    ),
    ("zone", "node", "basis", "start"),
    "start",
    is_final=True,
)
PERIODS: Final = ("hour", "day")
"""What of the zone's calendar the ledger sums; months and years are views over days."""
_SUMMED: Final = (
    " start:time local_start:time length_s:i32 energy_micro:i64? co2e_mg:i64? estimated_micro:i64 valued_micro:i64 covered_ms:i64"
    " expected_ms:i64 revision:i64"
)
_SUM_NOTES: Final = {
    "period": f"one of {', '.join(PERIODS)} of the zone's calendar",
    "local_start": "what the zone's clocks show at `start`, written as if it were UTC",
    "valued_micro": "the part of energy_micro whose co2e is known: g/kWh is 1000 x co2e_mg / valued_micro",
}
PERIOD_TOTALS: Final = Table(
    "period_totals",
    _columns("zone:code period:code entity_kind:code entity:code carrier:code scope:i32 basis:code" + _SUMMED),
    ("zone", "period", "entity_kind", "entity", "start", "carrier", "scope", "basis"),
    "start",
    is_final=True,
    lasts="length_s",
    notes=_SUM_NOTES,
)
"""Sums of the rows of `totals` whose windows begin in a period, but for stocks."""
PERIOD_INTENSITY: Final = Table(
    "period_intensity",
    _columns("zone:code period:code node:code basis:code" + _SUMMED),
    ("zone", "period", "node", "basis", "start"),
    "start",
    is_final=True,
    lasts="length_s",
    notes=_SUM_NOTES,
)
"""The same of `intensity`."""
LIVE: Final = Table(
    "live",
    _columns(
        "zone:code entity_kind:code entity:code at:time power_kw:f64? g_per_kwh:f64? co2e_kg_per_h:f64? reporting:u32 expected:u32"
    ),
    ("zone", "entity_kind", "entity", "at"),
    "at",
    versioned=False,
    folds=False,
    keep_days=7,
)
_OF_ALERTS: Final = _columns(
    "zone:code fingerprint:str starts_at:time rule:code severity:code state:code company:code meter:code node:code ends_at:time?"
    " value:f64? expected_low:f64? expected_high:f64? impact_kg:f64? evidence:str revision:i64"
)
ALERTS: Final = Table(
    "alerts",
    _OF_ALERTS,
    ("zone", "fingerprint", "starts_at"),
    "starts_at",
    is_final=True,
    live_only="startsWith(rule, 'ops_')",
    own_topic=True,
)
ALERT_EVENTS: Final = Table(
    "alert_events",
    _OF_ALERTS,
    ("zone", "fingerprint", "starts_at", "revision"),
    "starts_at",
    is_final=True,
    live_only="startsWith(rule, 'ops_')",
    own_topic=True,
)
"""Every transition of an alert; `alerts` has the last."""
DEAD_LETTERS: Final = Table(
    "dead_letters",
    _columns("zone:code topic:code partition:i32 offset:i64 item:i32 reason:code key:bytes value:bytes received_at:time"),
    ("zone", "topic", "partition", "offset", "item"),
    "received_at",
    versioned=False,
    is_final=True,
    live_only="NOT endsWith(topic, 'readings')",
    own_topic=True,
)

EXPECTED: Final = Table(
    "expected",
    _columns("zone:code company:code meter:code register:code start:time length_s:i32 low:f64 high:f64 revision:i64"),
    ("zone", "meter", "register", "start"),
    "start",
    is_final=True,
    notes={
        "low": "lower end of what detectors expected of the window, in base units",
        "high": "upper end of what detectors expected of the window, in base units",
    },
)
"""Of measured windows in zones with `expected: true`, once each: a window is judged once."""

DELIVERIES: Final = Table(
    "deliveries",
    _columns(
        "zone:code made_at:time message:str fingerprint:str starts_at:time rule:code severity:code company:code said:code subscriber:str"
        " channel:str purpose:code outcome:code attempts:i64 ended_at:time error:str revision:i64"
    ),
    ("zone", "made_at", "message", "fingerprint", "starts_at"),
    "made_at",
    keep_days=400,
)
"""Who was told of which alert, when and how: a row an alert and message, the last attempt the highest `revision`."""

_DECLARED: Final = (
    INTERVALS,
    EMISSIONS,
    TOTALS,
    INTENSITY,
    PERIOD_TOTALS,
    PERIOD_INTENSITY,
    LIVE,
    ALERTS,
    ALERT_EVENTS,
    DEAD_LETTERS,
    EXPECTED,
    DELIVERIES,
)
TABLES: Final = {table.name: table for table in _DECLARED}
FINAL_TABLES: Final = tuple(table.name for table in _DECLARED if table.is_final)
"""What `replay file --out` writes."""
QUALITIES: Final = ("missing", "measured", "corrected", "estimated")
METHODS: Final = ("", "register", "interval", "power", "sender", "interpolated", "swap_gap", "reset", "manual")
"""In order of precedence: the last that applies names the row."""
