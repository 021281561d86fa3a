"""The registry of a zone as plain values."""

from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

ALWAYS: Final = -(1 << 62)
FOREVER: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Policy:
    """The zone's settings; durations in milliseconds."""

    zone: str
    timezone: ZoneInfo
    regions: tuple[str, ...]
    key: str
    window_ms: int
    tick_ms: int
    delay_ms: int
    lateness_ms: int
    future_ms: int
    max_gap_ms: int
    n_confirm: int
    tolerance_ms: int
    alert_budget: float
    keeps_expected: bool
    days: dict[date, int]
    """Days of the zone's calendar that are like another weekday: holidays like Sundays (6), worked weekends like Fridays (4)."""


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What one register of one meter version means, valid in [valid_from_ms, valid_to_ms)."""

    meter: str
    register: str
    valid_from_ms: int
    valid_to_ms: int
    site: str
    company: str
    node: str
    role: str
    parent: str
    key: str
    """What chooses the partition."""
    carrier: str
    direction: str
    kind: str
    unit: str
    base_unit: str
    scale: float
    multiplier: Fraction
    modulus_micro: int | None
    """Energy of the modulus, after the multiplier."""
    max_power_micro: int | None
    period_ms: int
    ef_mg: int
    regime: tuple[object, ...]
    """A series of register values ends where this changes."""
    starts_at_zero: bool = False
    """`on_reset: zero`."""
    is_stamped_at_start: bool = False
    offset_ms: int = 0
    is_daily: bool = False
    """An `interval` whose period is the zone's calendar day."""
    counts: bool = True
    detect: frozenset[str] = frozenset()
    """Detectors that may speak."""
    kwp: Fraction | None = None
    """Peak power of a plant, kW."""

    def reg(self, value: float) -> int:
        """Micro-units on the register: one float64 product, rounded half to even. OverflowError beyond float64."""
        return round(value * self.scale)

    def energy(self, reg: int) -> int:
        """Micro-units after the multiplier."""
        return reg * self.multiplier.numerator // self.multiplier.denominator

    def is_flow_possible(self, energy: int, duration_ms: int) -> bool:
        """0 <= energy <= 1.2 x max_power x duration, exactly."""
        return energy >= 0 and (self.max_power_micro is None or energy * 3_000_000 <= self.max_power_micro * duration_ms)

    def is_possible(self, advance: int, start_ms: int, end_ms: int) -> bool:
        """0 <= advance <= 1.2 x bound(start, end), exactly."""
        return self.is_flow_possible(advance, max(end_ms - start_ms, self.period_ms))

    def is_within_bound(self, advance: int, start_ms: int, end_ms: int) -> bool:
        """Advance <= bound(start, end), exactly; False where max_power is unknown."""
        bounded = self.max_power_micro is not None
        return bounded and advance * 3_600_000 <= (self.max_power_micro or 0) * max(end_ms - start_ms, self.period_ms)

    def most_within(self, duration_ms: int) -> int | None:
        """floor(max_power x duration)."""
        return None if self.max_power_micro is None else self.max_power_micro * duration_ms // 3_600_000

    def most(self, max_gap_ms: int) -> int | None:
        """Energy that one window may hold: twice 1.2 x max_power x (max_gap + period), below 2^62; None where it is not bounded."""
        if self.max_power_micro is None:
            return None
        return min(2 * -(-self.max_power_micro * (max_gap_ms + self.period_ms) // 3_000_000), 1 << 62)


@dataclass(frozen=True, slots=True)
class Change:
    """A known meter change: micro energy and facts of either side, None where that side is no cumulative register."""

    at_ms: int
    old: tuple[int, Facts] | None
    new: tuple[int, Facts] | None


@dataclass(frozen=True, slots=True)
class Series:
    """Value i holds in [first_ms + i x step_ms, first_ms + (i + 1) x step_ms); None: there is none then."""

    first_ms: int
    step_ms: int
    values: tuple[Fraction | None, ...]

    def at(self, at_ms: int) -> Fraction | None:
        """The value that holds at an instant."""
        i = (at_ms - self.first_ms) // self.step_ms
        return self.values[i] if 0 <= i < len(self.values) else None


@dataclass(frozen=True, slots=True)
class Factor:
    """A row of the factor table that a look-up may use; its value is a constant or a series."""

    id: str
    activity: str
    region: str
    company: str
    basis: str
    value: Fraction | Series
    unit: str
    valid_from_ms: int
    valid_to_ms: int

    def value_at(self, at_ms: int) -> Fraction | None:
        """Its value at an instant; None where it is not valid."""
        if not self.valid_from_ms <= at_ms < self.valid_to_ms:
            return None
        return self.value.at(at_ms) if isinstance(self.value, Series) else self.value


@dataclass(frozen=True, slots=True)
class Edge:
    """A line of the network; a meter is '' where none is named."""

    id: str
    from_node: str
    to_node: str
    meter_from: str
    meter_to: str
    valid_from_ms: int
    valid_to_ms: int


@dataclass(frozen=True, slots=True)
class Source:
    """Where energy enters the network; the last fields are those of a storage."""

    id: str
    node: str
    kind: str
    meter: str
    method: str
    efficiency: Fraction
    initial_micro: int
    initial_mg: int


@dataclass(frozen=True, slots=True)
class Network:
    """The zone's electricity network."""

    nodes: tuple[str, ...] = ()
    edges: tuple[Edge, ...] = ()
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    """Green power of a company: a volume (`energy_micro`), or what an hourly profile (kWh a step) gives."""

    id: str
    company: str
    valid_from_ms: int
    valid_to_ms: int
    ef_mg: int
    energy_micro: int
    hourly: Series | None


@dataclass(frozen=True, slots=True)
class Entry:
    """Direct emissions that somebody entered, in micro-kg of a gas."""

    id: str
    company: str
    carrier: str
    value_micro: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Rule:
    """An alert rule."""

    id: str
    on: str
    indicator: str
    above: float | None
    below: float | None
    for_ms: int
    keep_firing_ms: int
    clear_above: float | None
    clear_below: float | None
    severity: str
    only: tuple[str, ...] = ()
    expr: str = ""
    clear_expr: str = ""
    change: str = ""
    against_ms: int = 0
    calendar: str = ""
    unusual: bool = False


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a kWh of electricity costs."""

    company: str
    per_kwh: Fraction
    currency: str
    valid_from_ms: int
    valid_to_ms: int
    calendar: str = ""


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be used, in kWh or kg CO2e, from the first day of a period to before its end."""

    id: str
    company: str
    period: str
    first: date
    end: date
    unit: str
    basis: str
    amount: Fraction


@dataclass(frozen=True, slots=True)
class Calendar:
    """Working hours: minutes of the local day, ISO dates."""

    days: tuple[str, ...]
    first_minute: int
    end_minute: int
    holidays: tuple[str, ...]
    workdays: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Registry:
    """One version of the registry."""

    policy: Policy
    meters: dict[str, list[tuple[int, int]]]
    """Meter -> its validities."""
    channels: dict[tuple[str, str], list[Facts]]
    """(meter, register) -> its facts in order of time."""
    changes: dict[tuple[str, str], list[Change]]
    factors: list[Factor]
    rules: list[Rule]
    companies: list[str] = field(default_factory=list)
    places: set[tuple[str, str]] = field(default_factory=set)
    """(company, node) of every site; a missing company is ''."""
    network: Network = Network()
    sites: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Site -> company and node, '' where none."""
    gateways: dict[str, str] = field(default_factory=dict)
    """Meter -> the gateway of its last version, '' where none."""
    calendars: dict[str, Calendar] = field(default_factory=dict)
    tariffs: list[Tariff] = field(default_factory=list)
    """Of electricity, in the order of the file."""
    budgets: list[Budget] = field(default_factory=list)
    contracts: list[Contract] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def facts_at(self, meter: str, register: str, at_ms: int) -> Facts | None:
        """The register's facts valid at an instant."""
        for facts in self.channels.get((meter, register), ()):
            if facts.valid_from_ms <= at_ms < facts.valid_to_ms:
                return facts
        return None

    def is_registered(self, meter: str, at_ms: int) -> bool:
        """Whether any version of the meter is valid then."""
        return any(start <= at_ms < end for start, end in self.meters.get(meter, ()))
