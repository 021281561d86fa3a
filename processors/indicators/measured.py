"""Quantities that the ledger measures, from the sums of a period."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Final

from zonepulse.processors.indicators.answers import Answer, Known, Missing
from zonepulse.processors.indicators.facts import Facts
from zonepulse.processors.indicators.hourly import matched_micro
from zonepulse.processors.indicators.sums import Entity, RowKey, RowSum, Sums
from zonepulse.schemas.carriers import ELECTRICITY, scope_of
from zonepulse.schemas.indicators.conversions import Electricity, conversion, is_energy
from zonepulse.schemas.units import MICRO, MS_PER_HOUR

_MG_IN_T: Final = 10**9
_KG_IN_T: Final = 1000
CONTRACT: Final = "contract:"
"""Prefix of the carriers that rows of contracts have, on the market basis."""


class Measured:
    """The measured quantities of one entity in one period."""

    def __init__(self, sums: Sums, facts: Facts, entity: Entity) -> None:
        self._sums, self._facts, self._entity = sums, facts, entity
        self._companies = facts.of(entity)
        self._makers: dict[str, Callable[[Electricity], Answer]] = {
            "electricity_use_kwh": lambda _: self._energy("electricity_use_kwh", ELECTRICITY, 0, ""),
            "grid_electricity_kwh": lambda _: self._energy("grid_electricity_kwh", ELECTRICITY, 2, "location"),
            "reactive_kvarh": lambda _: self._energy("reactive_kvarh", "reactive", 0, ""),
            "clean_electricity_kwh": lambda _: self._clean_kwh(),
            "clean_electricity_tce": lambda value: _scaled(self._clean_kwh(), _tce_per_kwh(value)),
            "electricity_equal_tce": lambda _: _scaled(
                self._energy("electricity_equal_tce", ELECTRICITY, 0, ""), _tce_per_kwh("equal")
            ),
            "energy_equal_tce": lambda _: self._energy_tce("energy_equal_tce", "equal"),
            "energy_tce": lambda value: self._energy_tce("energy_tce", value),
            "co2e_scope1_t": lambda _: self._co2e("co2e_scope1_t", 1, "location"),
            "co2e_location_t": lambda _: self._co2e_of_both("co2e_location_t", "location"),
            "co2e_market_t": lambda _: self._co2e_of_both("co2e_market_t", "market"),
            "base_load_share": lambda _: self._base_load_share(),
            "carbon_free_share": lambda _: self._carbon_free_share(),
            "covered_share": lambda _: self._covered_share(),
            "estimated_share": lambda _: self._estimated_share(),
        }

    def get(self, quantity: str, electricity: Electricity) -> Answer:
        """A quantity; `electricity`: how it counts in those that leave it open."""
        return self._makers[quantity](electricity)

    def _row(self, carrier: str, scope: int, basis: str, entity: Entity | None = None) -> RowSum | None:
        return self._sums.rows.get(RowKey(entity or self._entity, carrier, scope, basis))

    def _energy(self, quantity: str, carrier: str, scope: int, basis: str, entity: Entity | None = None) -> Answer:
        """In base units."""
        companies = (entity.id,) if entity else self._companies
        row = self._row(carrier, scope, basis, entity)
        if row is None:
            is_metered = any(carrier in self._facts.base_units.get(company, {}) for company in companies)
            return Missing(quantity, "no_rows" if is_metered else "no_meter", (carrier,))
        if row.energy_micro is None:
            return Missing(quantity, "no_value", (carrier,))
        share = min(Fraction(1), Fraction(row.estimated_micro, row.energy_micro)) if row.energy_micro > 0 else Fraction(0)
        return Known(Fraction(row.energy_micro, MICRO), self._sums.covered(row), share)

    def _energy_tce(self, quantity: str, electricity: Electricity) -> Answer:
        """All carriers of all companies; of a zone, electricity is the zone's own sum: what its companies use and what is lost."""
        if any(company in self._facts.fuel_fired for company in self._companies):
            return Missing(quantity, "fuel_fired", tuple(c for c in self._companies if c in self._facts.fuel_fired))
        parts: list[Answer] = []
        if self._entity.kind == "zone" or ELECTRICITY in self._facts.base_units.get(self._entity.id, {}):
            parts.append(_scaled(self._energy(quantity, ELECTRICITY, 0, ""), _tce_per_kwh(electricity)))
        for company in self._companies:
            for carrier, base_unit in sorted(self._facts.base_units.get(company, {}).items()):
                if carrier == ELECTRICITY or not is_energy(carrier):
                    continue
                found = conversion(carrier, base_unit, electricity)
                if found is None:
                    return Missing(quantity, "no_coefficient", (carrier, base_unit))
                energy = self._energy(quantity, carrier, 0, "", Entity("company", company))
                parts.append(_scaled(energy, found.kgce / _KG_IN_T))
        return _sum(parts) if parts else Missing(quantity, "no_meter", ("energy",))

    def _co2e_of_both(self, quantity: str, basis: str) -> Answer:
        """Fuels have the basis `location` alone."""
        return _sum([self._co2e(quantity, 1, "location"), self._co2e(quantity, 2, basis)])

    def _co2e(self, quantity: str, scope: int, basis: str) -> Answer:
        """The ledger's sum over the carriers of a scope; 0 where nothing of it is registered and nothing was entered."""
        row = self._row("", scope, basis)
        if row is None:
            metered = {carrier for company in self._companies for carrier in self._facts.base_units.get(company, {})}
            expected = tuple(sorted(carrier for carrier in metered if scope_of(carrier) == scope))
            if expected:
                return Missing(quantity, "no_rows", (*expected, basis))
            return Known(Fraction(0), Fraction(1), Fraction(0)) if metered else Missing(quantity, "no_meter", ("energy",))
        of_scope = {
            key.carrier: one
            for key, one in self._sums.rows.items()
            if key.entity == self._entity and key.carrier and key.scope == scope and key.basis in (basis, "location")
            and not (key.basis == "location" and key.carrier == ELECTRICITY and basis != "location")
        }  # fmt: skip
        without = tuple(sorted(carrier for carrier, one in of_scope.items() if one.windows_without_factor))
        if without:
            return Missing(quantity, "no_factor", (*without, basis))
        if row.co2e_mg is None:
            return Missing(quantity, "no_value", tuple(sorted(of_scope)))
        return Known(Fraction(row.co2e_mg, _MG_IN_T), self._sums.covered(row), _estimated(of_scope.values()))

    def _clean_kwh(self) -> Answer:
        """Own generation that did not leave, and what contracts without carbon took."""
        own, bought = self._own_kwh("clean_electricity_kwh"), self._contracts_kwh()
        parts = [answer for answer in (own, bought) if answer is not None]
        if parts:
            return _sum(parts)
        use = self._energy("clean_electricity_kwh", ELECTRICITY, 0, "")
        return use if isinstance(use, Missing) else use._replace(value=Fraction(0))

    def _own_kwh(self, quantity: str) -> Answer | None:
        """None where nobody generates."""
        is_zone = self._entity.kind == "zone"
        generating = [company for company in self._companies if company in self._facts.generating]
        if not generating:
            return None
        if any(company in self._facts.fuel_fired for company in generating):
            return Missing(quantity, "fuel_fired", tuple(c for c in generating if c in self._facts.fuel_fired))
        if is_zone and not self._facts.has_boundary:
            return Missing(quantity, "no_boundary")
        mine = [one for one in self._sums.registers if one.company in self._companies]
        generation = [one for one in mine if one.role == "generation"]
        leaving = [one for one in mine if one.direction == "export" and one.role == ("boundary" if is_zone else "main")]
        if not any(one.value_micro is not None for one in generation):
            return Missing(quantity, "no_value", ("generation",))
        used = generation + leaving
        own = max(0, sum(one.value_micro or 0 for one in generation) - sum(one.value_micro or 0 for one in leaving))
        estimated, total = sum(one.estimated_micro for one in used), sum(abs(one.value_micro or 0) for one in used)
        covered = min(Fraction(1), Fraction(sum(one.covered_ms for one in used), len(used) * self._sums.period_ms))
        return Known(Fraction(own, MICRO), covered, Fraction(estimated, total) if total else Fraction(0))

    def _contracts_kwh(self) -> Answer | None:
        """None where no contract without carbon took anything."""
        clean = {one.id for one in self._facts.clean_contracts}
        rows = [
            one
            for key, one in self._sums.rows.items()
            if key.entity.kind == "company"
            and key.entity.id in self._companies
            and key.basis == "market"
            and key.carrier.removeprefix(CONTRACT) in clean
            and one.energy_micro
        ]
        if not rows:
            return None
        energy, estimated = sum(one.energy_micro or 0 for one in rows), sum(one.estimated_micro for one in rows)
        return Known(Fraction(energy, MICRO), min(map(self._sums.covered, rows)), min(Fraction(1), Fraction(estimated, energy)))

    def _base_load_share(self) -> Answer:
        """What the near-base load takes of the hours that are known whole."""
        quantity = "base_load_share"
        use, hourly = self._energy(quantity, ELECTRICITY, 0, ""), self._sums.hourly.get(self._entity)
        if isinstance(use, Missing):
            return use
        if hourly is None or not hourly.hours:
            return Missing(quantity, "no_hour", (ELECTRICITY,))
        if not hourly.whole_micro:
            return Missing("electricity_use_kwh", "zero")
        covered = min(Fraction(1), Fraction(hourly.hours * MS_PER_HOUR, self._sums.period_ms))
        return Known(Fraction(hourly.base_micro * hourly.hours, hourly.whole_micro), covered, use.estimated)

    def _carbon_free_share(self) -> Answer:
        """Hour by hour the lesser of use and of what was supplied without carbon; what is above lapses."""
        quantity = "carbon_free_share"
        use, own = self._energy(quantity, ELECTRICITY, 0, ""), self._own_kwh(quantity)
        contracts = [one for one in self._facts.clean_contracts if one.company in self._companies]
        profiles = [one for one in contracts if one.hourly is not None]
        if isinstance(use, Missing):
            return use
        if isinstance(own, Missing):
            return own
        if own is None and not profiles:
            if contracts:
                return Missing(quantity, "no_profile", tuple(one.id for one in contracts))
            return use._replace(value=Fraction(0))
        hourly = self._sums.hourly.get(self._entity)
        if hourly is None or not hourly.used_micro:
            return Missing("electricity_use_kwh", "zero")
        met = matched_micro(hourly.each, profiles, self._sums.from_ms) if profiles else hourly.own_met_micro
        covered = min(part.covered or Fraction(0) for part in (use, own) if part is not None)
        return Known(Fraction(met, hourly.used_micro), covered, use.estimated)

    def _use_rows(self) -> list[RowSum]:
        """Of every energy carrier that is used."""
        rows = self._sums.rows.items()
        return [one for key, one in rows if key.entity == self._entity and not key.scope and is_energy(key.carrier)]

    def _covered_share(self) -> Answer:
        """Σ covered / Σ expected over the carriers; the windows of each series without a row are not covered."""
        rows = self._use_rows()
        expected = sum(one.expected_ms for one in rows)
        if not expected:
            return Missing("covered_share", "no_rows", ("energy",))
        share = sum((self._sums.covered(one) * one.expected_ms for one in rows), Fraction(0)) / expected
        return Known(share, share, Fraction(0))

    def _estimated_share(self) -> Answer:
        energy = self._energy_tce("estimated_share", "equal")
        return energy if isinstance(energy, Missing) else energy._replace(value=energy.estimated or Fraction(0))


def _estimated(rows: Iterable[RowSum]) -> Fraction:
    """Estimated part of emissions: each carrier's by its share of them."""
    total = part = Fraction(0)
    for one in rows:
        if one.co2e_mg and one.energy_micro and one.energy_micro > 0:
            total += one.co2e_mg
            part += one.co2e_mg * min(Fraction(1), Fraction(one.estimated_micro, one.energy_micro))
    return part / total if total else Fraction(0)


def _sum(parts: Iterable[Answer]) -> Answer:
    """The sum, covered as its least covered part; the first part that is missing, if one is."""
    known: list[Known] = []
    for part in parts:
        if isinstance(part, Missing):
            return part
        known.append(part)
    total = sum((part.value for part in known), Fraction(0))
    estimated = sum((part.value * (part.estimated or 0) for part in known), Fraction(0))
    covered = min(part.covered for part in known if part.covered is not None)
    return Known(total, covered, estimated / total if total > 0 else Fraction(0))


def _scaled(answer: Answer, factor: Fraction) -> Answer:
    return answer if isinstance(answer, Missing) else answer._replace(value=answer.value * factor)


def _tce_per_kwh(electricity: Electricity) -> Fraction:
    found = conversion(ELECTRICITY, "kWh", electricity)
    assert found is not None
    return found.kgce / _KG_IN_T
