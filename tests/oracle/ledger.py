"""Interval rows of all partitions into emissions, totals, intensity and alerts, tick by tick."""

from bisect import bisect_right
from collections import defaultdict
from typing import Any, NamedTuple

from zonepulse.oracle.alerts import FactorWatch, RuleWatch, Transition
from zonepulse.oracle.factors import FactorTable
from zonepulse.oracle.grid import Grid
from zonepulse.oracle.intervals import Row
from zonepulse.oracle.plan import Entity, Key, Plan, plan_at
from zonepulse.oracle.registry import Registry
from zonepulse.oracle.windows import TableRow, Window

RowKey = tuple[Any, ...]
_KEYS: dict[str, tuple[str, ...]] = {
    "emissions": ("meter", "register"),
    "totals": ("entity_kind", "entity", "carrier", "scope"),
    "intensity": (),
}
"""What tells the rows of a window apart."""


class Event(NamedTuple):
    """A row of `intervals` as one tick emitted it."""

    tick: int
    channel: Key
    window: int
    row: Row


class Ledger:
    """All windows of a zone, and the latest row of every key with the tick that changed it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._grid = Grid.of(registry.policy)
        self._factors = FactorTable(registry)
        edges = {edge for validities in registry.meters.values() for validity in validities for edge in validity}
        self._edges = sorted(edges)
        self._plans: dict[int, Plan] = {}
        self._windows: dict[int, Window] = {}
        self._zone: Entity = ("zone", registry.policy.zone)
        self._factor_watch = FactorWatch(registry.policy.zone)
        self._watches = self._make_watches()
        self._watches_of: defaultdict[Entity, list[RuleWatch]] = defaultdict(list)
        for watch in self._watches:
            self._watches_of["company" if watch.company else "zone", watch.company or registry.policy.zone].append(watch)
        self.tables: dict[str, dict[RowKey, TableRow]] = {"emissions": {}, "totals": {}, "intensity": {}}

    @property
    def transitions(self) -> list[Transition]:
        """The alerts of the ledger's rules."""
        return [*self._factor_watch.transitions, *(t for watch in self._watches for t in watch.transitions)]

    def live(self, events: list[Event], until_tick: int) -> None:
        """Apply the rows of all partitions, and close every tick up to `until_tick`."""
        by_tick: defaultdict[int, list[Event]] = defaultdict(list)
        for event in events:
            by_tick[event.tick].append(event)
        for tick in sorted(t for t in by_tick if t <= until_tick):
            self._judge(tick - 1)
            self._apply(by_tick[tick], tick)
            for watch in self._watches:
                watch.changed(tick)
        self._judge(until_tick)

    def _apply(self, events: list[Event], tick: int) -> None:
        touched: dict[tuple[int, Entity], None] = {}
        found: dict[tuple[str, str], list[tuple[int, bool]]] = {}
        for event in events:
            window = self._window(event.window)
            touched |= dict.fromkeys((event.window, entity) for entity in window.put(event.channel, event.row))
        for event in events:
            window = self._window(event.window)
            row = window.emission(event.channel)
            if row is not None and self._write("emissions", row, tick) and (row["factor_id"] or row["energy_micro"] is not None):
                found.setdefault((row["company"], window.carrier(event.channel)), []).append((row["start"], bool(row["factor_id"])))
        for number, entity in touched:
            self._write_entity(number, entity, tick)
        self._factor_watch.tick(tick, found)

    def _write_entity(self, number: int, entity: Entity, tick: int) -> None:
        window = self._window(number)
        for row in window.totals(entity):
            self._write("totals", row, tick)
        intensity = window.intensity() if entity == self._zone else None
        if intensity is not None:
            self._write("intensity", intensity, tick)
        for watch in self._watches_of[entity]:
            if self._watched(watch, number) is not None:
                watch.see(number)

    def _write(self, table: str, row: TableRow, tick: int) -> bool:
        """Keep a row if anything but its revision changed."""
        key = (row["start"], *(row[name] for name in _KEYS[table]))
        kept = self.tables[table].get(key)
        if kept is not None and kept == row | {"revision": kept["revision"]}:
            return False
        self.tables[table][key] = row | {"revision": tick}
        return True

    def _window(self, number: int) -> Window:
        if number not in self._windows:
            start_ms = self._grid.start_ms(number)
            epoch = bisect_right(self._edges, start_ms)
            if epoch not in self._plans:
                self._plans[epoch] = plan_at(self._registry, start_ms)
            self._windows[number] = Window(self._registry, self._plans[epoch], self._factors, start_ms)
        return self._windows[number]

    def _make_watches(self) -> list[RuleWatch]:
        return [
            RuleWatch(self._registry, rule, company)
            for rule in self._registry.rules
            for company in (self._registry.companies if rule.on == "company" else [""])
        ]

    def _judge(self, until_tick: int) -> None:
        for watch in self._watches:
            while (number := watch.next_window()) is not None:
                row = self._watched(watch, number)
                assert row is not None
                tick = watch.due(until_tick, row["covered_ms"] == row["expected_ms"], number)
                if tick is None:
                    break
                watch.judge(number, self._indicator(watch, row), tick)

    def _watched(self, watch: RuleWatch, number: int) -> TableRow | None:
        """The row that a rule judges a window by."""
        start_ms = self._grid.start_ms(number)
        if watch.company:
            return self.tables["totals"].get((start_ms, "company", watch.company, "electricity", 0))
        return self.tables["intensity"].get((start_ms,))

    def _indicator(self, watch: RuleWatch, row: TableRow) -> float | None:
        entity = ("company", watch.company) if watch.company else self._zone
        totals = self.tables["totals"]
        if watch.rule.indicator == "co2e_kg":
            found = [totals.get((row["start"], *entity, "", scope), {}).get("co2e_mg") for scope in (1, 2)]
            known = [mg for mg in found if mg is not None]
            return sum(known) / 1_000_000 if known else None
        if watch.rule.indicator == "g_per_kwh":
            value: float | None = row.get("g_per_kwh")
            return value
        energy = totals.get((row["start"], *entity, "electricity", 0), {}).get("energy_micro")
        if energy is None:
            return None
        hours_ms = {"energy_kwh": 3_600_000, "power_kw": self._registry.policy.window_ms}.get(watch.rule.indicator)
        return None if hours_ms is None else energy * 3_600_000 / (1_000_000 * hours_ms)
