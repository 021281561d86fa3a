"""One window of the zone: from the interval rows of its channels to emissions, totals and intensity."""

from collections import defaultdict
from collections.abc import Iterator

from zonepulse.oracle.carbon.book import TableRow
from zonepulse.oracle.carbon.factors import Answer, FactorTable, emission_mg
from zonepulse.oracle.carbon.plan import Entity, Key, Plan, Pool, bearing_term
from zonepulse.oracle.carbon.sums import Part, Sum, whole
from zonepulse.oracle.metering.fold import Row
from zonepulse.oracle.zone.registry import Registry
from zonepulse.oracle.zone.units import bears_emissions, scope_of

_USE = {"import": 1, "generation": 1, "consumption": 1, "discharge": 1, "export": -1, "charge": -1}


class Window:
    """One window of the zone: the sums of its pools, and the rows that follow from them."""

    def __init__(self, registry: Registry, plan: Plan, factors: FactorTable, start_ms: int) -> None:
        self._registry, self._plan, self._factors, self._start_ms = registry, plan, factors, start_ms
        self._sums: defaultdict[Pool, Sum] = defaultdict(Sum)
        self._rows: dict[Key, tuple[Row, int | None]] = {}
        self._zone: Entity = ("zone", registry.policy.zone)

    def put(self, channel: Key, row: Row) -> list[Entity]:
        """Replace a channel's row; the entities that it counts for."""
        pools = self._plan.pools.get(channel, [])
        for pool in pools:
            if channel in self._rows:
                self._sums[pool].add(*self._rows[channel], -1)
        self._rows[channel] = (row, self._co2e_mg(channel, row))
        for pool in pools:
            self._sums[pool].add(*self._rows[channel], 1)
        return [pool[:2] for pool in pools]

    @property
    def rows(self) -> dict[Key, Row]:
        """The row of every channel that has one."""
        return {key: row for key, (row, _) in self._rows.items()}

    def expects(self, pool: Pool) -> bool:
        """Whether a channel is registered for a pool."""
        return self._plan.expected.get(pool, 0) > 0

    def generation_mg(self) -> int:
        """What the zone's generation emits."""
        return self._generation().sum.co2e_mg

    def imports_from_grid(self) -> bool:
        """Whether any register is there that tells what the zone draws from the grid."""
        return self._grid_import().expected > 0

    def purchased_heat(self, entity: Entity) -> Part:
        """Heat and steam: what scope 2 has besides electricity."""
        carriers = [c for c in self._plan.carriers(entity) if bears_emissions(c) and scope_of(c) == 2 and c != "electricity"]
        return whole([self._part(entity, c, {bearing_term(c): 1}) for c in carriers])

    def emission(self, channel: Key) -> TableRow | None:
        """The emissions row of a channel that company totals count."""
        if channel not in self._plan.emitting:
            return None
        facts, (row, co2e_mg) = self._plan.facts[channel], self._rows[channel]
        answer = self._factor(channel)
        return {
            "zone": self._zone[1],
            "company": facts.company,
            "meter": facts.meter,
            "register": facts.register,
            "start": self._start_ms,
            "length_s": self._registry.policy.window_ms // 1000,
            "scope": scope_of(facts.carrier),
            "basis": "location",
            "energy_micro": row.value,
            "co2e_mg": co2e_mg,
            "estimated_micro": row.estimated,
            "factor_id": answer.id if answer else "",
            "rung": answer.rung if answer else "",
        }

    def carrier(self, channel: Key) -> str:
        """The carrier that a channel measures here."""
        return self._plan.facts[channel].carrier

    def totals(self, entity: Entity) -> Iterator[TableRow]:
        """The entity's rows of `totals`."""
        carriers = self._plan.carriers(entity)
        of_scope: dict[int, list[Part]] = {1: [], 2: []}
        for carrier in carriers:
            is_grid = entity == self._zone and carrier == "electricity"
            use = self._zone_use() if is_grid else self._part(entity, carrier, _USE)
            yield from self._total(entity, carrier, 0, use, use.value, None)
            if bears_emissions(carrier):
                bearing = self._grid_import() if is_grid else self._part(entity, carrier, {bearing_term(carrier): 1})
                of_scope[scope_of(carrier)].append(bearing)
                yield from self._total(entity, carrier, scope_of(carrier), bearing, bearing.value, bearing.co2e_mg)
        for scope, parts in of_scope.items():
            total = whole(parts)
            yield from self._total(entity, "", scope, Part(_no_energy(total.sum), total.expected), None, total.co2e_mg)
        if entity == self._zone and self._plan.has_boundary:
            lost = self._part(entity, "electricity", {"boundary import": 1, "export": 1, "boundary export": -1, "import": -1})
            yield from self._total(("unaccounted", entity[1]), "electricity", 0, lost, lost.value, None)

    def intensity(self) -> TableRow | None:
        """The zone's row of `intensity`."""
        grid, generation = self._grid_import(), self._generation()
        exported = self._part(self._zone, "electricity", {"unmetered export": 1})
        counted = whole([grid, generation, exported if self._plan.has_boundary else Part(Sum(), 0)])
        if counted.sum.rows == 0:
            return None
        made = [part.sum.value for part in (grid, generation, exported)]
        energy = sum(made) if counted.sum.covered else None
        estimated = grid.sum.estimated + generation.sum.estimated + exported.sum.estimated
        co2e_mg = grid.sum.co2e_mg + generation.sum.co2e_mg if energy is not None else None
        if grid.expected and grid.co2e_mg is None:
            co2e_mg = None
        return {
            "zone": self._zone[1],
            "node": "",
            "basis": "location",
            "start": self._start_ms,
            "length_s": self._registry.policy.window_ms // 1000,
            "energy_micro": energy,
            "co2e_mg": co2e_mg,
            "g_per_kwh": 1000 * co2e_mg / energy if energy and co2e_mg is not None else None,
            "estimated_share": estimated / energy if energy else 0.0,
            "covered_ms": counted.sum.covered_ms,
            "expected_ms": counted.expected * self._registry.policy.window_ms,
        }

    def _total(
        self, entity: Entity, carrier: str, scope: int, part: Part, energy: int | None, co2e_mg: int | None
    ) -> Iterator[TableRow]:
        if part.sum.rows == 0:
            return
        yield {
            "zone": self._zone[1],
            "entity_kind": entity[0],
            "entity": entity[1],
            "start": self._start_ms,
            "length_s": self._registry.policy.window_ms // 1000,
            "carrier": carrier,
            "scope": scope,
            "basis": "location" if scope else "",
            "energy_micro": energy,
            "co2e_mg": co2e_mg,
            "estimated_micro": part.sum.estimated if part.sum.covered else 0,
            "covered_ms": part.sum.covered_ms,
            "expected_ms": part.expected * self._registry.policy.window_ms,
        }

    def _part(self, entity: Entity, carrier: str, signs: dict[str, int]) -> Part:
        total, expected = Sum(), 0
        for term, sign in signs.items():
            pool = (*entity, carrier, term)
            expected += self._plan.expected.get(pool, 0)
            if pool in self._sums:
                total = total.plus(self._sums[pool], sign)
        return Part(total, expected)

    def _generation(self) -> Part:
        return self._part(self._zone, "electricity", {"generation": 1})

    def _grid_import(self) -> Part:
        """What the zone draws from the grid, its emission rounded once."""
        if self._plan.has_boundary:
            part = self._part(self._zone, "electricity", {"boundary import": 1})
        else:
            part = self._part(self._zone, "electricity", {"import": 1, "export": -1})
        total = part.sum
        total.value = max(0, total.value)
        total.estimated = max(0, min(total.value, total.estimated))
        answer = self._factors.at("", "electricity", "kWh", self._start_ms)
        total.emitting = 1 if total.covered and answer else 0
        total.co2e_mg = emission_mg(total.value, answer.factor_mg) if total.covered and answer else 0
        return part

    def _zone_use(self) -> Part:
        """I + G - boundary export - charge + discharge; without boundary meters the signed main import - export stands for I."""
        rest = {"generation": 1, "charge": -1, "discharge": 1}
        if self._plan.has_boundary:
            terms = {"boundary import": 1, "boundary export": -1, "unmetered export": 1, **rest}
            return self._part(self._zone, "electricity", terms)
        use = self._part(self._zone, "electricity", {"import": 1, "export": -1, **rest})
        exported = self._part(self._zone, "electricity", {"unmetered export": 1})
        use.sum.value += exported.sum.value
        use.sum.estimated += exported.sum.estimated
        return use

    def _factor(self, channel: Key) -> Answer | None:
        facts = self._plan.facts[channel]
        return self._factors.at(facts.company, facts.carrier, facts.base_unit, self._start_ms)

    def _co2e_mg(self, channel: Key, row: Row) -> int | None:
        """Emission of a row: of generation by the register's own factor, else by the factor table."""
        facts = self._plan.facts[channel]
        if row.value is None or facts.role in ("storage", "boundary") or not bears_emissions(facts.carrier):
            return None
        if facts.role in ("generation", "production"):
            return emission_mg(row.value, facts.ef_mg)
        answer = self._factor(channel)
        return emission_mg(row.value, answer.factor_mg) if answer and facts.direction == bearing_term(facts.carrier) else None


def _no_energy(total: Sum) -> Sum:
    return Sum(rows=total.rows, covered_ms=total.covered_ms)
