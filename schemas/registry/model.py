"""The registry: what a zone consists of and when. Immutable values; `zone_file/read.py` reads them from a file.

All times are epoch milliseconds; validity is half-open [valid_from_ms, valid_to_ms). An open end is
`FOREVER`, an open start `ALWAYS`. Quantities are exact: `Fraction` where a decimal was written.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, Literal

ALWAYS: Final = -(1 << 62)
FOREVER: Final = 1 << 62

Role = Literal["main", "sub", "generation", "storage", "production", "boundary"]
Direction = Literal["import", "export", "generation", "consumption", "charge", "discharge"]
Kind = Literal["cumulative", "interval", "power"]
Detector = Literal[
    "unusual", "level_shift", "night_use", "zero_run", "reverse_flow", "off_hours", "record", "wrong_unit", "wrong_ct"
]
"""Detectors that judge a channel's windows on its own history; `stuck`, one more, is a rule about every meter."""
ALERT_BUDGET: Final = Fraction(9, 1000)
Text = dict[str, str]
"""Language (en, de, zh) -> text."""


@dataclass(frozen=True, slots=True)
class ZonePolicy:
    """The zone's own settings. Durations in milliseconds."""

    id: str
    name: Text
    factor_regions: tuple[str, ...]
    timezone: str
    key: Literal["gateway", "site", "meter"]
    window_ms: int
    tick_ms: int
    live_ms: int
    delay_ms: int
    lateness_ms: int
    future_ms: int
    idle_ms: int
    max_gap_ms: int
    n_confirm: int
    boundary_tolerance_ms: int
    gwp: Literal["", "AR4", "AR5", "AR6"] = ""
    """IPCC assessment report of the refrigerants' GWPs; '' where no entry needs one."""
    factors_as_of: str = ""
    """ISO date: the factor table as it was known then; '' = as it is known now."""
    utc_offsets: tuple[tuple[int, int], ...] = ()
    """Offsets of `timezone`: (from_utc_ms, offset_ms), ascending, the first from ALWAYS."""
    alert_budget: Fraction = field(default_factory=lambda: ALERT_BUDGET)
    """Alerts of detectors that people are shown, a channel-month."""
    calendar: str = ""
    """Whose holidays and workdays detectors know; '' = weekdays alone."""
    expected: bool = False
    """Whether the band that detectors expect is kept: a row a measured window."""


@dataclass(frozen=True, slots=True)
class Company:
    """A company of the zone."""

    id: str
    name: Text
    sector: str = ""
    employees: int | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """Where meters stand: one company's premises at one node of the network."""

    id: str
    company: str
    """'' where the site belongs to no company (the zone's own grid point)."""
    node: str


@dataclass(frozen=True, slots=True)
class Gateway:
    """A device that sends the readings of several meters."""

    id: str
    site: str


@dataclass(frozen=True, slots=True)
class Steam:
    """State of steam that is metered by mass: its energy is counted instead. IAPWS-IF97 gives the enthalpy."""

    pressure_mpa: Fraction
    """Absolute."""
    temperature_c: Fraction | None
    """None: saturated."""
    reference_kj_per_kg: Fraction
    """Enthalpy that counts as no energy, such as that of water at 20 C."""


@dataclass(frozen=True, slots=True)
class Register:
    """One register of one meter version: what a channel means while that version is valid."""

    id: str
    carrier: str
    direction: Direction
    kind: Kind
    unit: str
    """Unit as transmitted; readings that name another one are dead letters `unit_mismatch`."""
    base_unit: str
    scale: Fraction
    """Micro-units of the base unit in one transmitted unit (exact)."""
    multiplier: Fraction
    modulus: Fraction | None
    """First value that the register cannot show, in transmitted units, before the multiplier."""
    max_power: Fraction
    """Base units per hour after the multiplier: what fuse, transformer or pipe lets through at most."""
    period_ms: int
    ef_kg: Fraction
    """kg CO2e per base unit of a generation register."""
    reference: str | None = None
    steam: Steam | None = None
    """Given where mass is turned into GJ; `scale` holds the result."""
    on_reset: Literal["unknown", "zero"] = "unknown"
    """`zero`: a cumulative register that may begin anew at zero (plugs, daily yields)."""
    stamp: Literal["end", "start"] = "end"
    """Which end of its period the ts of an `interval` names."""
    offset_ms: int = 0
    """Shift of an `interval` register's periods on the zone's local clock."""
    counts: bool = True
    """Whether totals count it; a tariff register beside the total does not."""
    detect: tuple[Detector, ...] | None = None
    """Detectors that may speak of it: None = all, () = off."""
    kwp: Fraction | None = None
    """Of a generation register: peak power of its panels, kW."""


@dataclass(frozen=True, slots=True)
class MeterVersion:
    """One validity of a meter. A meter id may have several, ordered and not overlapping."""

    id: str
    site: str
    gateway: str
    """'' where none is given."""
    role: Role
    parent: str
    """'' where none is given."""
    registers: tuple[Register, ...]
    valid_from_ms: int
    valid_to_ms: int


@dataclass(frozen=True, slots=True)
class MeterChange:
    """A known swap or reset: the old register's last value and the new one's first, in transmitted units."""

    meter: str
    register: str
    at_ms: int
    old_final: float
    new_initial: float


@dataclass(frozen=True, slots=True)
class Series:
    """Values of consecutive steps: value i holds in [first_ms + i x step_ms, first_ms + (i + 1) x step_ms); None: no value then."""

    first_ms: int
    step_ms: int
    values: tuple[Fraction | None, ...]


@dataclass(frozen=True, slots=True)
class Fuel:
    """What a fuel's factor is made of: kg CO2 per unit = ncv x carbon x oxidation x 44/12 x 1000."""

    ncv: Fraction
    """Net calorific value, GJ per unit."""
    carbon: Fraction
    """t carbon per GJ."""
    oxidation: Fraction
    """Part of the carbon that burns."""


@dataclass(frozen=True, slots=True)
class Factor:
    """An emission factor with its provenance.

    `value` is in `unit` (kgCO2/kWh, tCO2/t, ...). `kg_per_base` is the exact mass in kg per base unit `base_unit`.
    Of a `series`, `value` is 1 and each step holds value_i x `kg_per_base`; the validity lies within the series.
    `confidence` L means unverified: never used by a look-up.
    """

    id: str
    activity: str
    region: str
    """'' for a company's own factor."""
    company: str
    """'' for a factor of a region."""
    basis: str
    value: Fraction
    unit: str
    base_unit: str
    kg_per_base: Fraction
    data_year: int | None
    published: str
    valid_from_ms: int
    valid_to_ms: int
    source: str
    source_url: str
    confidence: str
    series: Series | None = None
    """In `unit`, step by step; None within it: no factor then."""
    fuel: Fuel | None = None
    """Where `value` was worked out from a fuel's analysis."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A line of the electricity network. A meter's `import` registers count what flows towards `to_node`, its `export` registers what
    flows back; `meter_from` stands at the sending end, `meter_to` at the receiving end. With one meter the line has no losses.
    """

    id: str
    from_node: str
    to_node: str
    meter_from: str
    """'' where none is given."""
    meter_to: str
    valid_from_ms: int = ALWAYS
    valid_to_ms: int = FOREVER


@dataclass(frozen=True, slots=True)
class Source:
    """Where energy enters the network: the grid's meter, a generator's, or a storage's. The last fields are those of a storage."""

    id: str
    node: str
    kind: Literal["grid_import", "pv", "chp", "generation", "storage"]
    meter: str
    method: Literal["average", "fifo"] = "average"
    """How a storage hands out the carbon that it took in."""
    efficiency: Fraction = field(default_factory=lambda: Fraction(1))
    """Energy that a storage gives back for one unit that it takes."""
    initial_micro: int = 0
    """What it holds when its records begin: energy (micro-kWh, as it gives it back) and carbon (mg CO2e)."""
    initial_mg: int = 0


@dataclass(frozen=True, slots=True)
class Network:
    """The zone's electricity network, for flow tracing."""

    nodes: tuple[str, ...] = ()
    edges: tuple[Edge, ...] = ()
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    """Green certificates (gec) or a power purchase agreement (ppa) of a company, for its electricity import in the validity."""

    id: str
    company: str
    kind: Literal["gec", "ppa"]
    energy_micro: int
    """What it covers in all, micro-kWh. Of an `hourly` contract: the sum of its profile."""
    vintage: int | None
    valid_from_ms: int
    valid_to_ms: int
    ef_mg: int
    """mg CO2e per kWh (kg per kWh x 1e6); 0 for green power."""
    evidence: str
    hourly: Series | None = None
    """kWh per step. Covers only what is used in the same window; the rest lapses."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A manual entry of direct emissions (scope 1), with its audit trail: `kg` of a refrigerant or of a process gas."""

    id: str
    company: str
    carrier: str
    """`refrigerant:<gas>` (factor: its GWP in the zone's assessment report) or `process:<name>` (factor: that activity's)."""
    value_micro: int
    """Micro-kg."""
    at_ms: int
    """The window that holds this instant takes the entry."""
    occurred: str
    by: str
    reason: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Rule:
    """An alert rule. `when` is an indicator with exactly one of above | below, or an expression; `clear` what ends it."""

    id: str
    on: Literal["zone", "company", "site", "node", "meter", "register"]
    indicator: str
    """'' of an expression."""
    above: float | None
    below: float | None
    for_ms: int
    keep_firing_ms: int
    clear_above: float | None
    clear_below: float | None
    severity: Literal["info", "warning", "critical"]
    text: Text
    only: tuple[str, ...] = ()
    """Of its scope only those that one of these matches, with * and ?; a register is `meter/register`. Empty: all."""
    expr: str = ""
    """As schemas/rules/expressions.py has it: true is a breach."""
    clear_expr: str = ""
    """True ends it; '': whatever is no breach."""
    change: Literal["", "absolute", "percent"] = ""
    """What is compared is the indicator's change: the difference to its value `against_ms` before, or that in percent of it."""
    against_ms: int = 0
    calendar: str = ""
    """Only windows that begin within its hours are judged; '': all."""
    runbook: str = ""
    """Where it is written what to do."""
    unusual: bool = False
    """A breach is what its own history does not lead to expect; there are no bounds."""


@dataclass(frozen=True, slots=True)
class Registry:
    """One version of a zone's registry, validated."""

    version: int
    zone: ZonePolicy
    companies: tuple[Company, ...]
    sites: tuple[Site, ...]
    gateways: tuple[Gateway, ...]
    meters: tuple[MeterVersion, ...]
    meter_changes: tuple[MeterChange, ...]
    factors: tuple[Factor, ...]
    """The shipped table first, then the zone's own."""
    rules: tuple[Rule, ...]
    network: Network = Network()
    contracts: tuple[Contract, ...] = ()
    entries: tuple[Entry, ...] = ()
    extra: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    """`subscribers` (subscribers.py), as JSON has them."""
    more: dict[str, Any] = field(default_factory=dict)
    """Entities of sections (sections.py) that have no attribute here; of a mapping the whole."""
    sha256: str = ""
    """Hex digest of the zone.yaml that this was read from."""
