"""The ledger's aggregation plan, compiled from the registry into arrays.

An *accumulator* sums one flow of one entity and carrier in a window (steelworks, electricity, import). A *series* is one result over time,
made from accumulators: company use = import + consumption + generation - export - charge + discharge, zone import I = boundary import, and
so on (design: Totals and intensity). Which channels count depends on time: a version counts in its validity less its guard (a `sub` does
not count while its parent is registered).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.accounting.factor_table import FactorTable
from zonepulse.processors.channels.table import Channels
from zonepulse.processors.flow import Rows
from zonepulse.schemas.carriers import drawn_direction, scope_of, use_directions
from zonepulse.schemas.checks.sums import most_micro
from zonepulse.schemas.registry.model import ALWAYS, FOREVER, Entry, MeterVersion, Register, Registry
from zonepulse.schemas.tables.basis_texts import BASES, ENTITY_KINDS
from zonepulse.schemas.units import LIMIT_ENERGY

CHANNEL: Final = "channel:"
"""Begins the names of accumulators that hold one channel alone."""
FLOWS: Final = ("import", "export", "generation", "consumption", "charge", "discharge")
USE_SIGN: Final = {"import": 1, "consumption": 1, "generation": 1, "export": -1, "charge": -1, "discharge": 1}
ZONE_FLOWS: Final = ("boundary_import", "boundary_export", "import", "export", "generation", "unmetered", "charge", "discharge")
B_IMPORT, B_EXPORT, IMPORT, EXPORT, GENERATION, UNMETERED, CHARGE, DISCHARGE = range(8)
"""The zone's electricity accumulators, always the first eight. `unmetered` is export of companies without a generation register."""

POSTING: Final = np.dtype(
    [
        ("company_accumulator", "i4"),  # -1: counts nowhere
        ("zone_accumulator", "i4"),
        ("own_accumulator", "i4"),  # of the channel alone, where the network needs it; -1: none
        ("guard", "i4"),  # intervals in which the version does not count
        ("unmetered", "i4"),  # intervals in which its export is not unmetered generation; -1: never is
        ("scope", "i4"),  # of its emissions rows, 0 none
        ("factor", "i4"),  # factor timeline, -1 none
        ("company", "i4"),
        ("ef", "i8"),  # mg per base unit x 1e6 of generation
        ("most", "i8"),  # micro-units that a row may hold: above it no sum is proven to fit, and the row is not booked
    ]
)
SERIES: Final = np.dtype(
    [("kind", "i4"), ("entity_kind", "i4"), ("entity", "i4"), ("carrier", "i4"), ("scope", "i4"), ("basis", "i4")]
)
USE, BEARING, SCOPE, ZONE_USE, ZONE_IMPORT, ZONE_SCOPE_2, UNACCOUNTED, INTENSITY = range(8)

Interval = tuple[int, int]


@dataclass(slots=True)
class Intervals:
    """Lists of half-open intervals packed as offsets into two arrays."""

    rows: list[list[Interval]] = field(default_factory=list)

    def add(self, intervals: Iterable[Interval]) -> int:
        """Store a list, return its number."""
        self.rows.append(merged(intervals))
        return len(self.rows) - 1

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(first, bounds): list k is bounds[first[k] : first[k + 1]], rows (from, to)."""
        first = np.cumsum([0, *(len(r) for r in self.rows)])
        return first.astype(np.int64), np.array([i for r in self.rows for i in r], np.int64).reshape(-1, 2)


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Union of half-open intervals, in order."""
    out: list[Interval] = []
    for start, end in sorted(intervals):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def without(interval: Interval, holes: Sequence[Interval]) -> list[Interval]:
    """`interval` less the holes (merged)."""
    out, start = [], interval[0]
    for a, b in holes:
        if b <= start or a >= interval[1]:
            continue
        if a > start:
            out.append((start, a))
        start = b
    if start < interval[1]:
        out.append((start, interval[1]))
    return out


@dataclass(slots=True)
class AggregationPlan:
    """Arrays of the plan; see the module. `texts` names entities, carriers, factors, rungs, bases and kinds of entities by
    number."""

    postings: Rows
    series: Rows
    series_first: NDArray[np.int64]
    series_accumulators: NDArray[np.int64]
    series_signs: NDArray[np.int64]
    accumulator_first: NDArray[np.int64]
    accumulator_series: NDArray[np.int64]
    accumulators: tuple[tuple[str, str, str], ...]
    """(entity, carrier, flow) of each accumulator."""
    guard_first: NDArray[np.int64]
    guard_bounds: NDArray[np.int64]
    expected_first: NDArray[np.int64]
    expected: NDArray[np.int64]
    factor_first: NDArray[np.int64]
    factors: NDArray[np.int64]
    zone_factor: int
    entities: list[str]
    carriers: list[str]
    factor_ids: list[str]
    rungs: list[str]
    bases: list[str] = field(default_factory=lambda: list(BASES))
    entity_kinds: list[str] = field(default_factory=lambda: list(ENTITY_KINDS))


class _Builder:
    """Collects accumulators, series and factor timelines while walking the registry once."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.table = FactorTable(registry)
        self.guards = Intervals()
        self.none = self.guards.add([])
        self.accumulators: dict[tuple[str, str, str], int] = {}
        self.counting: list[list[Interval]] = []
        self.factor_timelines: dict[tuple[str, str, str], int] = {}
        self.factor_rows: list[list[tuple[int, int, int, int]]] = []
        self.factor_ids: dict[str, int] = {"": 0}
        self.rungs: dict[str, int] = {"": 0}
        self.company_of_site = {s.id: s.company for s in registry.sites}
        self.traced = traced_meters(registry)
        self.limits: dict[int, int] = {}
        """By identity of the register."""
        self.validity: dict[str, list[Interval]] = {}
        for m in registry.meters:
            self.validity.setdefault(m.id, []).append((m.valid_from_ms, m.valid_to_ms))
        self.generation: dict[str, list[Interval]] = {}
        for m in registry.meters:
            if m.role == "generation" and any(_is_generation(r) for r in m.registers):
                self.generation.setdefault(self.company_of_site[m.site], []).append((m.valid_from_ms, m.valid_to_ms))
        for flow in ZONE_FLOWS:
            self.accumulator("zone", "electricity", flow)

    def accumulator(self, entity: str, carrier: str, flow: str) -> int:
        """Number of an accumulator, made when new. `entity` is `zone` or `company:<id>`."""
        key = (entity, carrier, flow)
        if key not in self.accumulators:
            self.accumulators[key] = len(self.accumulators)
            self.counting.append([])
        return self.accumulators[key]

    def factor_timeline(self, carrier: str, company: str, base_unit: str) -> int:
        """Number of a factor timeline, shared by companies of one answer: rows (from_ms, mg x 1e6 or -1, factor id, rung)."""
        key = (carrier, self.table.who(carrier, company), base_unit)
        if key not in self.factor_timelines:
            self.factor_timelines[key] = len(self.factor_rows)
            rows = [
                (start, -1, 0, 0)
                if found is None
                else (
                    start,
                    found.factor_mg,
                    self.factor_ids.setdefault(found.factor_id, len(self.factor_ids)),
                    self.rungs.setdefault(found.rung, len(self.rungs)),
                )
                for start, _, found in self.table.timeline(*key)
            ]
            self.factor_rows.append(rows)
        return self.factor_timelines[key]

    def most(self, register: Register) -> int:
        """Micro-units that a row of the register may hold; registers are many and their distinct facts few."""
        if id(register) not in self.limits:
            self.limits[id(register)] = min(2 * most_micro(register, self.registry.zone.max_gap_ms), LIMIT_ENERGY)
        return self.limits[id(register)]

    def posting(self, meter: MeterVersion, register: Register, companies: dict[str, int]) -> tuple[int, ...]:
        """POSTING row of one meter version's register."""
        company = self.company_of_site[meter.site]
        flow = counted_flow(meter.role, register)
        most = self.most(register)
        own_accumulator = -1
        if register.carrier == "electricity" and meter.id in self.traced:
            own_accumulator = self.accumulator(*channel_accumulator(meter.id, register.id))
        if flow is None:
            return (-1, -1, own_accumulator, self.none, -1, 0, -1, companies[company], 0, most)
        holes = merged(self.validity.get(meter.parent, [])) if meter.role == "sub" and meter.parent else []
        guard = self.guards.add(holes) if holes else self.none
        spans = without((meter.valid_from_ms, meter.valid_to_ms), holes)
        zone_accumulator = self.accumulator("zone", register.carrier, flow)
        self.counting[zone_accumulator] += spans
        company_accumulator = -1
        if meter.role != "boundary":
            company_accumulator = self.accumulator(f"company:{company}", register.carrier, flow)
            self.counting[company_accumulator] += spans
        unmetered = -1
        if register.carrier == "electricity" and flow == "export":
            own = merged(self.generation.get(company, []))
            unmetered = self.guards.add(own)
            self.counting[UNMETERED] += [i for s in spans for i in without(s, own)]
        scope = scope_of(register.carrier) if flow == drawn_direction(register.carrier) else 0
        factor = self.factor_timeline(register.carrier, company, register.base_unit) if scope else -1
        ef = round(register.ef_kg * 1_000_000) if flow == "generation" else 0
        return (
            company_accumulator,
            zone_accumulator,
            own_accumulator,
            guard,
            unmetered,
            scope,
            factor,
            companies[company],
            ef,
            most,
        )

    def entry(self, entry: Entry, companies: dict[str, int]) -> tuple[int, ...]:
        """POSTING row of a manual entry: it counts in the window that holds its instant."""
        length = self.registry.zone.window_ms
        start = entry.at_ms // length * length
        accumulators = [self.accumulator(entity, entry.carrier, "consumption") for entity in (f"company:{entry.company}", "zone")]
        for accumulator in accumulators:
            self.counting[accumulator].append((start, start + length))
        factor = self.factor_timeline(entry.carrier, entry.company, "kg")
        return (accumulators[0], accumulators[1], -1, self.none, -1, 1, factor, companies[entry.company], 0, LIMIT_ENERGY)


def channel_accumulator(meter: str, register: str) -> tuple[str, str, str]:
    """Name of the accumulator that holds one channel alone."""
    return (f"{CHANNEL}{meter}", register, "")


def traced_meters(registry: Registry) -> frozenset[str]:
    """The meters whose electricity the network needs: those of its edges and sources, and those at its nodes."""
    network = registry.network
    named = {m for e in network.edges for m in (e.meter_from, e.meter_to) if m} | {s.meter for s in network.sources}
    at_nodes = {s.id for s in registry.sites if s.node in network.nodes}
    return frozenset(named | {m.id for m in registry.meters if m.site in at_nodes})


def _is_generation(register: Register) -> bool:
    return register.carrier == "electricity" and register.direction == "generation" and register.counts


def counted_flow(role: str, register: Register) -> str | None:
    """The flow that a register counts as, None if it counts nowhere (design: which directions count)."""
    if not register.counts:
        return None
    direction = register.direction
    if role in ("main", "sub"):
        return direction if direction in use_directions(register.carrier) else None
    if role in ("generation", "production"):
        return direction if direction == "generation" else None
    if role == "storage":
        return direction if direction in ("charge", "discharge") else None
    return f"boundary_{direction}" if direction in ("import", "export") and register.carrier == "electricity" else None


class _SeriesRows:
    """Series and the accumulators each is made from."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, ...]] = []
        self.terms: list[list[tuple[int, int]]] = []

    def add(self, row: tuple[int, ...], terms: list[tuple[int, int]]) -> None:
        """A series with signed accumulators."""
        self.rows.append(row)
        self.terms.append(terms)


def _entity_series(kind: int, entity: int, mine: dict[tuple[str, str], int], carriers: dict[str, int], out: _SeriesRows) -> None:
    """Series of a company or (without its electricity) the zone: use, bearing energy, and one series a scope."""
    scopes: dict[int, list[tuple[int, int]]] = {}
    names = dict.fromkeys(carrier for carrier, _ in mine)
    for carrier in names:
        accumulators = [
            (accumulator, USE_SIGN[flow]) for (c, flow), accumulator in mine.items() if c == carrier and flow in USE_SIGN
        ]
        is_zone_electricity = kind == 1 and carrier == "electricity"
        if accumulators and not is_zone_electricity:
            out.add((USE, kind, entity, carriers[carrier], 0, 0), accumulators)
        bearing, scope = mine.get((carrier, drawn_direction(carrier))), scope_of(carrier)
        if bearing is not None and scope and not is_zone_electricity:
            out.add((BEARING, kind, entity, carriers[carrier], scope, 1), [(bearing, 1)])
            scopes.setdefault(scope, []).append((bearing, 1))
    for scope, accumulators in scopes.items():
        if not (kind == 1 and scope == 2):
            out.add((SCOPE, kind, entity, carriers[""], scope, 1), accumulators)
    if kind == 1:
        _zone_series(entity, carriers, scopes.get(2, []), out)


def _zone_series(zone: int, carriers: dict[str, int], heat: list[tuple[int, int]], out: _SeriesRows) -> None:
    """The zone's electricity; the kernel knows the formulas, the accumulators here only say what touches a series."""
    power = carriers["electricity"]
    out.add((ZONE_USE, 1, zone, power, 0, 0), [(c, 1) for c in range(8)])
    out.add((ZONE_IMPORT, 1, zone, power, 2, 1), [(c, 1) for c in (B_IMPORT, IMPORT, EXPORT)])
    out.add((ZONE_SCOPE_2, 1, zone, carriers[""], 2, 1), heat + [(c, 1) for c in (B_IMPORT, IMPORT, EXPORT)])
    out.add((UNACCOUNTED, 2, zone, power, 0, 0), [(c, 1) for c in (B_IMPORT, B_EXPORT, IMPORT, EXPORT)])
    out.add((INTENSITY, 1, zone, power, 0, 1), [(c, 1) for c in (B_IMPORT, IMPORT, EXPORT, GENERATION, UNMETERED)])


def _packed(lists: Sequence[Sequence[Any]], width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first = np.cumsum([0, *(len(x) for x in lists)]).astype(np.int64)
    rows = np.array([r for x in lists for r in x], np.int64)
    return first, rows.reshape(-1, width) if width > 1 else rows.reshape(-1)


def expected_steps(spans: list[Interval]) -> list[tuple[int, int]]:
    """(from_ms, channels that count from there on)."""
    events: dict[int, int] = {ALWAYS: 0}
    for start, end in spans:
        events[start] = events.get(start, 0) + 1
        if end < FOREVER:
            events[end] = events.get(end, 0) - 1
    total, steps = 0, []
    for at in sorted(events):
        total += events[at]
        steps.append((at, total))
    return steps


def compile_accounts(channels: Channels) -> AggregationPlan:
    """The aggregation plan of a compiled registry; `postings` is parallel to `channels.versions`, the manual entries behind them."""
    registry = channels.registry
    build = _Builder(registry)
    companies = {"": 0} | {c.id: i + 1 for i, c in enumerate(registry.companies)}
    by_name: dict[tuple[str, str], list[tuple[MeterVersion, Register]]] = {}
    for meter in registry.meters:
        for register in meter.registers:
            by_name.setdefault((meter.id, register.id), []).append((meter, register))
    rows = [
        build.posting(meter, register, companies)
        for name in channels.names
        for meter, register in sorted(by_name.get(name, ()), key=lambda v: v[0].valid_from_ms)
    ]
    rows += [build.entry(entry, companies) for entry in registry.entries]
    named = [carrier for entity, carrier, _ in build.accumulators if not entity.startswith(CHANNEL)]
    carriers = {c: i for i, c in enumerate(dict.fromkeys(["", "electricity", *named]))}
    entities = [registry.zone.id, *(c.id for c in registry.companies)]
    out = _SeriesRows()
    accumulators_of: dict[str, dict[tuple[str, str], int]] = {}
    for (name, carrier, flow), accumulator in build.accumulators.items():
        accumulators_of.setdefault(name, {})[carrier, flow] = accumulator
    for entity, name in enumerate(["zone", *(f"company:{c.id}" for c in registry.companies)]):
        _entity_series(int(entity == 0), entity, accumulators_of.get(name, {}), carriers, out)
    series_first, terms = _packed(out.terms, 2)
    touching: list[list[int]] = [[] for _ in build.accumulators]
    for series, accumulators in enumerate(out.terms):
        for accumulator, _ in accumulators:
            touching[accumulator].append(series)
    accumulator_first, accumulator_series = _packed(touching, 1)
    expected_first, expected = _packed([expected_steps(s) for s in build.counting], 2)
    zone_factor = build.factor_timeline("electricity", "", "kWh")
    factor_first, factors = _packed(build.factor_rows, 4)
    guard_first, guard_bounds = build.guards.arrays()
    return AggregationPlan(
        np.array(rows, POSTING).view(np.recarray), np.array(out.rows, SERIES).view(np.recarray), series_first,
        np.ascontiguousarray(terms[:, 0]), np.ascontiguousarray(terms[:, 1]), accumulator_first, accumulator_series,
        tuple(build.accumulators), guard_first, guard_bounds, expected_first, expected, factor_first, factors, zone_factor,
        entities, list(carriers), list(build.factor_ids), list(build.rungs),
    )  # fmt: skip
