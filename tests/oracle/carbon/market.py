"""The market basis: electricity import valued by contracts first, by the residual mix for the rest.

Every row is the location row of the same name with another emission, and exists where that one does; contracts add rows of their own.
Decisions: a company has market rows in windows where an import register counts for it, if it has a contract or there is a residual
factor for it at any time; the zone has them if any company has one of the two. `no_factor` looks at the rest rows with energy above 0.
"""

from collections import defaultdict
from collections.abc import Callable

from zonepulse.oracle.alerts import Subject
from zonepulse.oracle.carbon.book import Book, TableRow
from zonepulse.oracle.carbon.contracts import Matching
from zonepulse.oracle.carbon.factors import FactorTable, emission_mg
from zonepulse.oracle.carbon.windows import Window
from zonepulse.oracle.grid import Grid
from zonepulse.oracle.zone.registry import Registry


class Market:
    """Market rows of companies and zone."""

    def __init__(self, registry: Registry, factors: FactorTable, book: Book, window_of: Callable[[int], Window]) -> None:
        self._grid, self._factors, self._book, self._window_of = Grid.of(registry.policy), factors, book, window_of
        self._zone = registry.policy.zone
        with_contract = {contract.company for contract in registry.contracts}
        self._companies = {
            company: Matching(registry, company)
            for company in registry.companies
            if company in with_contract or factors.has_residual(company)
        }
        self._tick = 0

    def apply(self, tick: int, touched: dict[str, set[int]], zone_touched: set[int]) -> dict[Subject, list[tuple[int, bool]]]:
        """Write what the changed windows of companies and zone imply; the rest rows that have changed, as (start, has a factor)."""
        self._tick = tick
        found: defaultdict[Subject, list[tuple[int, bool]]] = defaultdict(list)
        again: set[int] = set()
        for company, matching in self._companies.items():
            matching.settle(tick)
            windows = {
                n for n in touched.get(company, ()) if self._window_of(n).expects(("company", company, "electricity", "import"))
            }
            for number in matching.apply(tick, windows, lambda n, c=company: self._imported(n, c)):  # type: ignore[misc]
                again.add(number)
                rest = self._write_company(number, company)
                if rest is not None and rest["energy_micro"] is not None and rest["energy_micro"] > 0:
                    found[company, "electricity", "market"].append((rest["start"], bool(rest["factor_id"])))
        for number in sorted(again | zone_touched) if self._companies else ():
            self._write_zone(number)
        return found

    def _imported(self, number: int, company: str) -> int | None:
        row = self._book.total(self._grid.start_ms(number), "company", company, "electricity", 2, "location")
        return None if row is None else row["energy_micro"]

    def _write_company(self, number: int, company: str) -> TableRow | None:
        """All market rows of a company in a window; the rest row, if it has changed."""
        start_ms = self._grid.start_ms(number)
        line = self._book.total(start_ms, "company", company, "electricity", 2, "location")
        changed, total_mg = None, None
        if line is not None:
            rows = self._emissions(number, company, line)
            for row in rows[:-1]:
                self._book.write("emissions", row, self._tick)
                carrier = f"contract:{row['register']}"
                estimated = min(row["energy_micro"] or 0, line["estimated_micro"])
                self._total(
                    line | {"carrier": carrier, "energy_micro": row["energy_micro"], "estimated_micro": estimated}, row["co2e_mg"]
                )
            if self._book.write("emissions", rows[-1], self._tick):
                changed = rows[-1]
            parts = [row["co2e_mg"] for row in rows]
            total_mg = None if None in parts else sum(parts)
            self._total(line, total_mg)
        self._write_scope(number, ("company", company), total_mg)
        return changed

    def _emissions(self, number: int, company: str, line: TableRow) -> list[TableRow]:
        """A row for every contract, and the last for the rest."""
        matching, imported = self._companies[company], line["energy_micro"]
        base = {name: line[name] for name in ("zone", "start", "length_s", "scope")}
        base |= {"company": company, "meter": "", "basis": "market", "estimated_micro": 0}
        rows, rest = [], imported
        for contract in matching.valid(number):
            take = None if imported is None else matching.take(number, contract)
            co2e_mg = None if take is None else emission_mg(take, contract.ef_mg)
            made = {"energy_micro": take, "co2e_mg": co2e_mg, "factor_id": contract.id, "rung": "contract"}
            rows.append(base | {"register": contract.id} | made)
            rest = None if rest is None or take is None else rest - take
        answer = self._factors.residual_at(company, line["start"])
        last = base | {"register": "", "energy_micro": rest, "co2e_mg": self._residual_mg(company, line["start"], rest)}
        last |= {"factor_id": answer.id if answer else "", "rung": answer.rung if answer else ""}
        if rest is not None:
            last["estimated_micro"] = max(0, min(rest, line["estimated_micro"]))
        return [*rows, last]

    def _residual_mg(self, company: str, start_ms: int, energy: int | None) -> int | None:
        answer = self._factors.residual_at(company, start_ms)
        if energy is None or energy == 0:
            return energy
        return emission_mg(energy, answer.factor_mg) if answer else None

    def _write_zone(self, number: int) -> None:
        start_ms, window = self._grid.start_ms(number), self._window_of(number)
        line = self._book.total(start_ms, "zone", self._zone, "electricity", 2, "location")
        total_mg = None
        if line is not None and line["energy_micro"] is not None:
            takes = [
                (matching.take(number, contract), contract.ef_mg)
                for matching in self._companies.values()
                for contract in matching.valid(number)
            ]
            rest_mg = self._residual_mg("", start_ms, max(0, line["energy_micro"] - sum(take for take, _ in takes)))
            total_mg = None if rest_mg is None else rest_mg + sum(emission_mg(take, ef_mg) for take, ef_mg in takes)
        if line is not None:
            self._total(line, total_mg)
        self._write_scope(number, ("zone", self._zone), total_mg)
        located = self._book.intensity(start_ms, "", "location")
        if located is not None:
            self._write_intensity(located, window, total_mg)

    def _write_scope(self, number: int, entity: tuple[str, str], electricity_mg: int | None) -> None:
        """Electricity with heat and steam: what is known of them."""
        line = self._book.total(self._grid.start_ms(number), *entity, "", 2, "location")
        if line is not None:
            known = [mg for mg in (electricity_mg, self._window_of(number).purchased_heat(entity).co2e_mg) if mg is not None]
            self._total(line, sum(known) if known else None)

    def _write_intensity(self, located: TableRow, window: Window, electricity_mg: int | None) -> None:
        energy = located["energy_micro"]
        co2e_mg = None if energy is None else (electricity_mg or 0) + window.generation_mg()
        if window.imports_from_grid() and electricity_mg is None:
            co2e_mg = None
        g_per_kwh = 1000 * co2e_mg / energy if energy and co2e_mg is not None else None
        row = located | {"basis": "market", "co2e_mg": co2e_mg, "g_per_kwh": g_per_kwh}
        self._book.write("intensity", row, self._tick)

    def _total(self, line: TableRow, co2e_mg: int | None) -> None:
        self._book.write("totals", line | {"basis": "market", "co2e_mg": co2e_mg}, self._tick)
