"""From a company's kilogram back to the readings: what the ledger stored of one window, with the arithmetic to redo it.

Pure but for `ask`, which puts a query to the store. Energy and mass are integers as they are stored (micro base units, mg); what is
missing is None beside a `why`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from zonepulse.processors.accounting.factor_table import FactorTable
from zonepulse.processors.accounting.plan import USE_SIGN, counted_flow
from zonepulse.schemas.problems import nearest
from zonepulse.schemas.registry.lookup import RegistryIndex
from zonepulse.schemas.registry.model import Entry, Factor, MeterVersion, Register, Registry
from zonepulse.schemas.tables.ddl import LIVE_RUN
from zonepulse.schemas.values import instant_text
from zonepulse.streams.clickhouse.registry_dimensions import factor_rows
from zonepulse.streams.explain.network import NodalRows, network_of
from zonepulse.streams.explain.readings import Channel, Log, Window

BASES: Final = ("location", "market", "nodal")
Row = dict[str, Any]
Name = tuple[str, str]
"""Meter and register."""
Ask = Callable[[str, Mapping[str, Any]], list[Row]]
_MINE: Final = "run = {run:String} AND zone = {zone:String} AND start = fromUnixTimestamp64Milli({start:Int64})"
_FACTOR: Final = ("factor", "value", "unit", "factor_mg", "base_unit", "published", "confidence", "source", "source_url", "origin",
                  "region", "basis")  # fmt: skip


class CannotExplain(ValueError):
    """Nothing can be said of this company or window; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which kilogram."""

    company: str
    basis: str
    at_ms: int
    window: Window


def question(registry: Registry, company: str, basis: str, at_ms: int) -> Question:
    """The company's window that holds the instant. Raises CannotExplain for an unknown company or basis."""
    known = {c.id for c in registry.companies}
    if company not in known:
        names = ", ".join(sorted(known)) or "none"
        raise CannotExplain(
            f"company {company!r} is not in zone {registry.zone.id}; {nearest(company, known, f'there are: {names}')}"
        )
    if basis not in BASES:
        raise CannotExplain(f"--basis {basis!r}: {nearest(basis, BASES, 'there are: ' + ', '.join(BASES))}")
    length = registry.zone.window_ms
    start = at_ms // length * length
    return Question(company, basis, at_ms, (start, start + length))


class Explainer:
    """Answers questions about one zone's live run."""

    def __init__(self, registry: Registry, ask: Ask, log: Log, published: Iterable[Factor] = ()) -> None:
        """`published`: factors apart from the registry's, which rows of a promoted run may name."""
        self._registry, self._ask, self._log, self._index = registry, ask, log, RegistryIndex(registry)
        self._published = {factor.id: factor for factor in published}

    def answer(self, q: Question) -> Row:
        """The whole chain. Raises CannotExplain where the ledger has no row of the company in the window."""
        totals = self._totals(q)
        emissions = self._emissions(q)
        units = {row["carrier"]: row["base_unit"] for row in emissions}
        for row in totals:
            row["base_unit"] = units.get(row["carrier"], "kWh" if row["carrier"] else None)
        channels = self._channels(q, emissions)
        intervals = self._intervals(q)
        read = self._log.behind(list(channels.values()), q.window, self._refused(q))
        return {
            "company": q.company,
            "name": self._index.companies[q.company].name,
            "zone": self._registry.zone.id,
            "basis": q.basis,
            "window": {"start_ms": q.window[0], "end_ms": q.window[1]},
            "run": LIVE_RUN,
            "registry_version": self._registry.version,
            "totals": totals,
            "emissions": [row for row in emissions if row["basis"] == (q.basis if _is_electricity(row) else "location")],
            "channels": [
                _channel(c, intervals.get(name), read[name], is_signed=q.basis == "nodal") for name, c in channels.items()
            ],
            "contracts": self._contracts(q, emissions) if q.basis == "market" else [],
            "network": self._network(q, channels, intervals) if q.basis == "nodal" else None,
        }

    def _select(self, q: Question, columns: str, rest: str, **more: Any) -> list[Row]:
        parameters = {"run": LIVE_RUN, "zone": self._registry.zone.id, "start": q.window[0], "company": q.company, **more}
        return self._ask(f"SELECT {columns} FROM {rest.replace('MINE', _MINE)}", parameters)

    # --- what the ledger says ---------------------------------------------------------------------------------------------------

    def _totals(self, q: Question) -> list[Row]:
        """The rows that make up the company's kilograms on this basis: scope 1 has one basis only."""
        rows = self._select(
            q,
            "carrier, scope, basis, energy_micro, co2e_mg, estimated_micro, covered_ms, expected_ms, revision",
            "totals_final WHERE MINE AND entity_kind = 'company' AND entity = {company:String}"
            " AND (scope = 1 AND basis = 'location' OR scope = 2 AND basis = {basis:String}) ORDER BY scope, carrier != '', carrier",
            basis=q.basis,
        )
        if not rows:
            raise CannotExplain(self._no_rows(q))
        for row in rows:
            row["estimated_share"] = row["estimated_micro"] / row["energy_micro"] if row["energy_micro"] else None
            row["coverage"] = row["covered_ms"] / row["expected_ms"] if row["expected_ms"] else None
        return rows

    def _no_rows(self, q: Question) -> str:
        where = "totals_final WHERE run = {run:String} AND zone = {zone:String} AND entity_kind = 'company' AND entity = {company:String}"
        ((found),) = self._select(
            q,
            "count() AS rows, toUnixTimestamp64Milli(min(start)) AS first, toUnixTimestamp64Milli(max(start)) AS last,"
            " groupUniqArray(toString(basis)) AS bases, countIf(start = fromUnixTimestamp64Milli({start:Int64})) AS here",
            where,
        )
        what = f"company {q.company!r} has no rows of basis {q.basis}"
        if not found["rows"]:
            return f"company {q.company!r} has no rows at all: has its ledger begun? `zonepulse doctor` looks at the workers"
        if found["here"]:
            return f"{what} in this window, but of {', '.join(sorted(b for b in found['bases'] if b))}; name one with --basis"
        local = ZoneInfo(self._registry.zone.timezone)
        asked, first, last = (instant_text(ms, local) for ms in (q.window[0], found["first"], found["last"]))
        return f"{what} at {asked}: its windows begin from {first} to {last}; name an instant of one with --at"

    def _emissions(self, q: Question) -> list[Row]:
        """The company's rows, each with its factor."""
        rows = self._select(
            q,
            "meter, register, scope, basis, energy_micro, co2e_mg, estimated_micro, factor_id, rung, revision",
            "emissions_final WHERE MINE AND company = {company:String}  ORDER BY scope, basis, meter, register = '', register",
        )
        out = []
        entries = {e.id: e for e in self._registry.entries}
        for row in rows:
            channel = self._channel_at(row["meter"], row["register"], q.window[0])
            entry = entries.get(row["register"]) if not row["meter"] and row["basis"] == "location" else None
            row["carrier"] = channel.register.carrier if channel else entry.carrier if entry else "electricity"
            row["base_unit"] = channel.register.base_unit if channel else "kg" if entry else "kWh"
            row["factor"] = self._factor(q, row["factor_id"])
            row["entry"] = _entry(entry)
            row["why"] = _why(row)
            out.append(row)
        return out

    def _factor(self, q: Question, factor_id: str) -> Row | None:
        """The row of a factor that holds the window's start: the registry's, or one that was published for the past."""
        if not factor_id:
            return None
        found = self._ask(
            f"SELECT {', '.join(_FACTOR)} FROM registry_factors_final WHERE zone = {{zone:String}} AND factor = {{factor:String}}"
            " AND valid_from <= fromUnixTimestamp64Milli({start:Int64})"
            " AND (valid_to IS NULL OR valid_to > fromUnixTimestamp64Milli({start:Int64}))",
            {"zone": self._registry.zone.id, "factor": factor_id, "start": q.window[0]},
        )
        if found or factor_id not in self._published:
            return found[0] if found else None
        for row in factor_rows(self._published[factor_id]):
            if row["valid_from"] <= q.window[0] and (row["valid_to"] is None or row["valid_to"] > q.window[0]):
                return {name: row[name] for name in _FACTOR}
        return None

    def _intervals(self, q: Question) -> dict[Name, Row]:
        rows = self._select(
            q,
            "meter, register, value_micro, estimated_micro, covered_ms, quality, method, revision, run",
            "intervals_final WHERE MINE AND company = {company:String}",
        )
        return {(row.pop("meter"), row.pop("register")): row for row in rows}

    def _refused(self, q: Question) -> dict[tuple[int, int, int], str]:
        """Partition, offset and item -> reason, of what may concern the window."""
        zone = self._registry.zone
        rows = self._select(
            q,
            "partition, offset, item, reason",
            "dead_letters_final WHERE run = {run:String} AND zone = {zone:String}"
            " AND received_at BETWEEN fromUnixTimestamp64Milli({first:Int64}) AND fromUnixTimestamp64Milli({last:Int64})",
            first=q.window[0] - zone.max_gap_ms - zone.future_ms,
            last=q.window[1] + zone.max_gap_ms + zone.lateness_ms,
        )
        return {(r["partition"], r["offset"], r["item"]): r["reason"] for r in rows}

    def _contracts(self, q: Question, emissions: Sequence[Row]) -> list[Row]:
        """The company's contracts that are valid in the window, in the order in which they are used; what is left is the residual."""
        matched = {row["register"]: row for row in emissions if row["basis"] == "market"}
        valid = [c for c in self._registry.contracts if c.company == q.company and c.valid_from_ms <= q.window[0] < c.valid_to_ms]
        out = []
        for contract in sorted(valid, key=lambda c: (c.valid_to_ms, c.id)):
            used = self._select(
                q,
                "sumOrNull(energy_micro) AS used",
                "emissions_final WHERE run = {run:String} AND zone = {zone:String} AND company = {company:String}"
                " AND meter = '' AND register = {contract:String} AND basis = 'market'"
                " AND start <= fromUnixTimestamp64Milli({start:Int64})",
                contract=contract.id,
            )
            row = matched.get(contract.id)
            out.append(
                {
                    "contract": contract.id,
                    "kind": contract.kind,
                    "profile": "volume" if contract.hourly is None else "hourly",
                    "energy_micro": contract.energy_micro,
                    "used_micro": used[0]["used"],
                    "matched_micro": row["energy_micro"] if row else None,
                    "ef_mg": contract.ef_mg,
                    "vintage": contract.vintage,
                    "valid_from_ms": contract.valid_from_ms,
                    "valid_to_ms": contract.valid_to_ms,
                    "evidence": contract.evidence,
                }
            )
        return out

    def _network(self, q: Question, channels: Mapping[Name, Channel], intervals: Mapping[Name, Row]) -> Row:
        use: dict[str, int | None] = {}
        for name, channel in channels.items():
            value = intervals.get(name, {}).get("value_micro")
            if channel.register.carrier == "electricity" and value is not None:
                node = self._index.node_of(channel.meter)
                use[node] = (use.get(node) or 0) + USE_SIGN[channel.register.direction] * value
        return network_of(self._registry, q.company, self._nodal(q), use)

    def _nodal(self, q: Question) -> NodalRows:
        totals = self._select(
            q,
            "toString(entity_kind) AS entity_kind, toString(entity) AS entity, energy_micro, co2e_mg, revision",
            "totals_final WHERE MINE AND basis = 'nodal' AND carrier = 'electricity' AND entity_kind != 'company'",
        )
        nodes = self._select(
            q,
            "toString(node) AS node, energy_micro, co2e_mg, g_per_kwh, estimated_share, covered_ms, expected_ms, revision",
            "intensity_final WHERE MINE AND basis = 'nodal'",
        )
        grid = FactorTable(self._registry).location("electricity", "", "kWh", q.window[0])
        factor = None if grid is None else self._factor(q, grid.factor_id)
        lines = {(row.pop("entity_kind"), row.pop("entity")): row for row in totals}
        return NodalRows(q.window[0], lines, {row["node"]: row for row in nodes}, factor and factor | {"rung": grid and grid.rung})

    # --- what it was made from --------------------------------------------------------------------------------------------------

    def _channel_at(self, meter: str, register: str, at_ms: int) -> Channel | None:
        version = self._index.version_at(meter, at_ms) if meter else None
        found = [r for r in version.registers if r.id == register] if version else []
        return Channel(version, found[0]) if version and found else None

    def _channels(self, q: Question, emissions: Sequence[Row]) -> dict[Name, Channel]:
        """The registers that bear the company's emissions; on the nodal basis those that make up its loads stand for electricity."""
        rows = [row for row in emissions if row["basis"] == "location" and not (q.basis == "nodal" and _is_electricity(row))]
        bearing = (self._channel_at(row["meter"], row["register"], q.window[0]) for row in rows)
        found = [channel for channel in bearing if channel]
        if q.basis == "nodal":
            valid = {m.id: m for m in self._registry.meters if m.valid_from_ms <= q.window[0] < m.valid_to_ms}
            found += [Channel(m, r) for m in valid.values() if self._is_load(m, q, valid) for r in m.registers if _is_used(m, r)]
        return {channel.name: channel for channel in found}

    def _is_load(self, meter: MeterVersion, q: Question, valid: Mapping[str, MeterVersion]) -> bool:
        """Whether a meter counts as the company's use at a node of the network."""
        is_part = meter.role == "sub" and meter.parent in valid
        site = self._index.site_of(meter)
        return site.company == q.company and site.node in self._registry.network.nodes and not is_part and meter.role != "boundary"


def _is_electricity(row: Row) -> bool:
    return bool(row["scope"] == 2 and row["carrier"] == "electricity")


def _is_used(meter: MeterVersion, register: Register) -> bool:
    return register.carrier == "electricity" and counted_flow(meter.role, register) in USE_SIGN


def _entry(entry: Entry | None) -> Row | None:
    """The audit trail of a manual entry."""
    names = ("value_micro", "at_ms", "occurred", "by", "reason", "evidence")
    return None if entry is None else {name: getattr(entry, name) for name in names}


def _why(row: Row) -> str | None:
    """Why a row has no mass, or its factor is not found."""
    if row["energy_micro"] is None:
        return "no reading covers the window: nothing is known, and nothing is written as zero"
    if row["co2e_mg"] is None:
        return "no emission factor is valid then for this carrier (alert no_factor)"
    if row["factor_id"] and row["factor"] is None:
        return f"factor {row['factor_id']} is not in the store's registry tables"
    return None


def _channel(channel: Channel, interval: Row | None, log: Row, *, is_signed: bool) -> Row:
    """A register: what the ledger closed of the window, and the log's readings behind it. `sign` -1: it lowers the use."""
    meter, register = channel.meter, channel.register
    return {
        "meter": meter.id,
        "register": register.id,
        "carrier": register.carrier,
        "direction": register.direction,
        "role": meter.role,
        "sign": USE_SIGN.get(register.direction, 1) if is_signed else 1,
        "base_unit": register.base_unit,
        "interval": interval,
        "why": None if interval else "the ledger has no interval row of this register in the window",
        "log": log,
    }
