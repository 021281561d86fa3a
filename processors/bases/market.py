"""The market basis: contracts cover a company's electricity import, the residual mix the rest (GHG Protocol Scope 2 Guidance, 2015).

A contract of a volume is used up window by window, in order of time; an hourly one covers only what is used in the same window (24/7
matching). No window is covered beyond its import. When a window settles, at its end + lateness, what volumes covered in it stays: a later
revision may only lower it, so that the past does not change what the present may use; a replay does.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from zonepulse.processors.accounting.factor_table import FactorTable, Resolved
from zonepulse.processors.accounting.plan import BEARING, INTENSITY, SCOPE, ZONE_IMPORT, ZONE_SCOPE_2
from zonepulse.processors.accounting.series import (
    CO2E,
    ENERGY,
    MARKET_EMISSION,
    MARKET_INTENSITY,
    OTHER,
    Emitted,
    SeriesTable,
    emitted,
)
from zonepulse.processors.accounting.window_sums import SeriesValue, WindowSums
from zonepulse.processors.bases.basis import Basis, Given, Posted, Said
from zonepulse.processors.flow import Rows
from zonepulse.schemas.registry.model import Contract, Series
from zonepulse.schemas.units import MICRO

CONTRACT_RUNG: Final = "contract"


@dataclass(slots=True)
class _Contract:
    """A contract with its series and what settled windows used of it (micro-kWh)."""

    facts: Contract
    total_series: int
    emission_series: int
    profile: "Profile | None"
    used: int = 0


@dataclass(slots=True)
class _Buyer:
    """A company (or the zone, without contracts) that imports electricity; location series it reads, market series it writes."""

    import_series: int
    scope_series: int
    heat_series: list[int]
    total_series: int
    whole_series: int
    rest_series: int = -1
    company: str = ""
    contracts: list[_Contract] = field(default_factory=list)

    @property
    def reads(self) -> tuple[int, ...]:
        """The location series that its rows are made from."""
        return (self.import_series, self.scope_series, *self.heat_series)


def co2e_mg(value_micro: int, factor_mg: int) -> int:
    """round-half-up(value x factor / 1e6)."""
    return (value_micro * factor_mg + MICRO // 2) // MICRO


class Profile:
    """An hourly contract's micro-kWh over time."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._steps = [0 if v is None else round(v * MICRO) for v in series.values]
        self._before = [0, *accumulate(self._steps)]

    def until(self, at_ms: int) -> int:
        """What it has brought by `at_ms`, linear within a step (floored)."""
        step, steps = self._series.step_ms, len(self._steps)
        whole, part = divmod(min(max(0, at_ms - self._series.first_ms), step * steps), step)
        return self._before[whole] + (self._steps[whole] * part // step if part else 0)


class Market(Basis):
    """The market series of a zone, window by window."""

    name = "market"

    def __init__(self, given: Given) -> None:
        registry, series, table = given.channels.registry, given.series, given.table
        self._length, self._table = registry.zone.window_ms, table
        self._buyers: list[_Buyer] = []
        self._of_series: dict[int, int] = {}
        """Location series -> buyer that reads it."""
        contracts: dict[str, list[Contract]] = defaultdict(list)
        for contract in sorted(registry.contracts, key=lambda c: (c.valid_to_ms, c.id)):
            contracts[contract.company].append(contract)
        for entity, company in enumerate(c.id for c in registry.companies):
            self._add(series.location("company", entity + 1), company, contracts.get(company, []), series, table)
        self._zone: _Buyer | None = None
        self._intensity_of, self._intensity_series = -1, -1
        if any(table.has_residual(c.id) for c in registry.companies) or registry.contracts:
            self._add_zone(series.location("zone", 0), registry.zone.id, series, table)
        self._origins: dict[int, tuple[_Buyer, _Contract | None]] = {b.rest_series: (b, None) for b in self._buyers} | {
            c.emission_series: (b, c) for b in self._buyers for c in b.contracts
        }
        self._contract_series = [c.emission_series for b in self._buyers for c in b.contracts]

    def _add(
        self, found: dict[tuple[int, str], int], company: str, contracts: list[Contract], series: SeriesTable, table: FactorTable
    ) -> None:
        if (BEARING, "electricity") not in found or not (contracts or table.has_residual(company)):
            return
        buyer = _Buyer(
            found[BEARING, "electricity"], found[SCOPE, ""], _heat(found),
            series.add(OTHER, "company", company, "electricity", 2, "market"), series.add(OTHER, "company", company, "", 2, "market"),
            series.add(MARKET_EMISSION, "company", company, "", 2, "market"), company,
        )  # fmt: skip
        for c in contracts:
            total = series.add(OTHER, "company", company, f"contract:{c.id}", 2, "market")
            row = series.add(MARKET_EMISSION, "company", company, c.id, 2, "market")
            buyer.contracts.append(_Contract(c, total, row, None if c.hourly is None else Profile(c.hourly)))
        self._of_series |= dict.fromkeys(buyer.reads, len(self._buyers))
        self._buyers.append(buyer)

    def _add_zone(self, found: dict[tuple[int, str], int], zone: str, series: SeriesTable, table: FactorTable) -> None:
        self._zone = _Buyer(
            found[ZONE_IMPORT, "electricity"], found[ZONE_SCOPE_2, ""], _heat(found),
            series.add(OTHER, "zone", zone, "electricity", 2, "market"), series.add(OTHER, "zone", zone, "", 2, "market"),
        )  # fmt: skip
        self._intensity_of = found[INTENSITY, "electricity"]
        self._intensity_series = series.add(MARKET_INTENSITY, "zone", "", "electricity", 2, "market")
        self._of_series |= dict.fromkeys((*self._zone.reads, self._intensity_of), len(self._buyers))

    # --- settling -------------------------------------------------------------------------------------------------------------

    def held(self) -> dict[str, int]:
        """Contract -> micro-kWh that settled windows used; what a snapshot keeps."""
        return {c.facts.id: c.used for b in self._buyers for c in b.contracts}

    def resume(self, held: dict[str, int]) -> None:
        """Go on from what was used."""
        for buyer in self._buyers:
            for contract in buyer.contracts:
                contract.used = held.get(contract.facts.id, 0)

    def settle(self, slot: int, windows: WindowSums) -> None:
        """A window settles: what contracts covered in it is used."""
        for buyer in self._buyers:
            for contract in buyer.contracts:
                contract.used += windows.emitted_of(slot, contract.emission_series)[ENERGY]

    def origin(self, series: int, start: int) -> tuple[str, str]:
        """Factor id and rung of an emissions series in a window."""
        buyer, contract = self._origins[series]
        if contract is not None:
            return contract.facts.id, CONTRACT_RUNG
        found = self._table.residual(buyer.company, start)
        return (found.factor_id, found.rung) if found else ("", "")

    # --- windows --------------------------------------------------------------------------------------------------------------

    def update(self, posted: Posted, windows: WindowSums) -> Said:
        """Say anew what the touched location series change; what no contract covers takes a residual factor, or has none."""
        touched, tick = posted.touched, posted.tick
        slots: dict[int, set[int]] = defaultdict(set)
        for series, slot in zip(touched["series"].tolist(), touched["slot"].tolist(), strict=True):
            if series in self._of_series:
                slots[self._of_series[series]].add(slot)
        zone = slots.pop(len(self._buyers), set())
        for number, mine in slots.items():
            if self._buyers[number].contracts:
                mine |= windows.open_slots()
                zone |= mine
        now = windows.read(
            [(series, slot) for number, mine in slots.items() for series in self._buyers[number].reads for slot in mine]
        )
        for number, mine in slots.items():
            self._buy(self._buyers[number], sorted(mine, key=windows.start), now, windows)
        bought = self._uncovered(windows.commit(tick), windows)
        if self._zone is not None and zone:
            self._say_zone(self._zone, zone, windows)
            windows.commit(tick)
        return Said(bought)

    def _uncovered(self, new: Rows, windows: WindowSums) -> list[tuple[str, int, bool]]:
        out = []
        for series, slot, energy in zip(new["series"].tolist(), new["slot"].tolist(), new["energy"].tolist(), strict=True):
            buyer, contract = self._origins.get(series, (None, None))
            if buyer is not None and contract is None:
                start = windows.start(slot)
                if energy > 0:
                    out.append((buyer.company, start, self._table.residual(buyer.company, start) is not None))
        return out

    def _buy(self, buyer: _Buyer, slots: list[int], now: dict[tuple[int, int], SeriesValue], windows: WindowSums) -> None:
        """The rows of a company in some windows, in order of time; all open ones among them if it has contracts."""
        rest = [c.facts.energy_micro - c.used for c in buyer.contracts]
        for slot in slots:
            row, electricity = now[buyer.import_series, slot], None
            if row.exists:
                electricity = self._buy_window(
                    buyer, slot, row, self._matched(buyer, slot, row.energy or 0, rest, windows), windows
                )
            if row.expected and now[buyer.scope_series, slot].exists:
                windows.emit(buyer.whole_series, slot, _whole(buyer, slot, electricity, now))

    def _buy_window(self, buyer: _Buyer, slot: int, row: SeriesValue, takes: list[int | None], windows: WindowSums) -> int | None:
        """The electricity of a company in a window; returns its co2e."""
        parts: list[int | None] = []
        for contract, take in zip(buyer.contracts, takes, strict=True):
            if take is not None:
                known = take if row.energy is not None else None
                parts.append(None if known is None else co2e_mg(known, contract.facts.ef_mg))
                windows.emit(contract.emission_series, slot, emitted(known, parts[-1]))
                windows.emit(
                    contract.total_series, slot, emitted(known, parts[-1], min(known or 0, row.est), row.cov, row.expected)
                )
        unmatched = None if row.energy is None else row.energy - sum(t for t in takes if t is not None)
        parts.append(_rest_mg(unmatched, self._table.residual(buyer.company, windows.start(slot))))
        windows.emit(buyer.rest_series, slot, emitted(unmatched, parts[-1], max(0, min(unmatched or 0, row.est))))
        known_parts = [mg for mg in parts if mg is not None]
        electricity = sum(known_parts) if len(known_parts) == len(parts) else None
        windows.emit(buyer.total_series, slot, emitted(row.energy, electricity, row.est, row.cov, row.expected))
        return electricity

    def _matched(self, buyer: _Buyer, slot: int, left: int, rest: list[int], windows: WindowSums) -> list[int | None]:
        """What each contract covers of the `left` import, None for those not valid then; `rest` of the volumes is counted down."""
        start = windows.start(slot)
        is_open = start >= windows.open_from
        out: list[int | None] = []
        for k, contract in enumerate(buyer.contracts):
            facts = contract.facts
            if not facts.valid_from_ms <= start < facts.valid_to_ms:
                out.append(None)
                continue
            if contract.profile is not None:
                offered = contract.profile.until(start + self._length) - contract.profile.until(start)
            else:
                offered = rest[k] if is_open else windows.emitted_of(slot, contract.emission_series)[ENERGY]
            take = min(max(0, left), offered)
            left -= take
            if is_open:
                rest[k] -= take
            out.append(take)
        return out

    def _say_zone(self, zone: _Buyer, slots: set[int], windows: WindowSums) -> None:
        now = windows.read([(series, slot) for series in (*zone.reads, self._intensity_of) for slot in slots])
        for slot in sorted(slots, key=windows.start):
            row, mix = now[zone.import_series, slot], now[self._intensity_of, slot]
            covered = [windows.emitted_of(slot, series) for series in self._contract_series]
            unmatched = None if row.energy is None else max(0, row.energy - sum(v[ENERGY] for v in covered))
            mg = _rest_mg(unmatched, self._table.residual("", windows.start(slot)))
            if mg is not None:
                mg += sum(v[CO2E] for v in covered)
            if row.exists:
                windows.emit(zone.total_series, slot, emitted(row.energy, mg, row.est, row.cov, row.expected))
            if now[zone.scope_series, slot].exists:
                windows.emit(zone.whole_series, slot, _whole(zone, slot, mg, now))
            if mix.exists:
                made = windows.generated_mg(slot)
                known = (mg or 0) + made if mg is not None or not row.expected else None
                co2e = None if mix.energy is None else known
                windows.emit(self._intensity_series, slot, emitted(mix.energy, co2e, mix.est, mix.cov, mix.expected))


def _heat(found: dict[tuple[int, str], int]) -> list[int]:
    return [series for (kind, carrier), series in found.items() if kind == BEARING and carrier != "electricity"]


def _rest_mg(unmatched: int | None, residual: Resolved | None) -> int | None:
    if unmatched is None or (residual is None and unmatched):
        return None
    return co2e_mg(unmatched, residual.factor_mg) if residual else 0


def _whole(buyer: _Buyer, slot: int, electricity: int | None, now: dict[tuple[int, int], SeriesValue]) -> Emitted:
    """The row of all carriers: no energy; co2e is the sum of what is known."""
    location = now[buyer.scope_series, slot]
    known = [mg for mg in (electricity, *(now[series, slot].co2e for series in buyer.heat_series)) if mg is not None]
    return emitted(None, sum(known) if known else None, 0, location.cov, location.expected)
