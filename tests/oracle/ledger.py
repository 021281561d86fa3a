"""Interval rows of all partitions into emissions, totals, intensity and alerts, tick by tick.

A row is too old where its window begins before its own tick's end less max_gap, lateness, delay and two windows: no reading in time can
have revised that window. Rows of a log written under other settings may be; the ledger does not apply them.
"""

from bisect import bisect_right
from collections import defaultdict
from functools import partial
from typing import NamedTuple

from zonepulse.oracle.alerts import FactorWatch, NodeWatch, ResidualWatch, Subject, Transition
from zonepulse.oracle.budgets import Budgets
from zonepulse.oracle.carbon.book import Book, RowKey, TableRow
from zonepulse.oracle.carbon.entries import Entered
from zonepulse.oracle.carbon.factors import FactorTable
from zonepulse.oracle.carbon.market import Market
from zonepulse.oracle.carbon.plan import Entity, Key, Plan, plan_at
from zonepulse.oracle.carbon.windows import Window
from zonepulse.oracle.grid import Grid
from zonepulse.oracle.metering.families import FactorOfPower, FamilyWatch
from zonepulse.oracle.metering.fold import MISSING, Row
from zonepulse.oracle.metering.plants import PlantWatch
from zonepulse.oracle.network.network import Topology, topology_at
from zonepulse.oracle.network.nodal import Nodal, Snapshot
from zonepulse.oracle.network.nodal_rows import write as write_nodal
from zonepulse.oracle.rule_facts import (
    Found,
    Reader,
    families_of,
    family_facts,
    plant_facts,
    plants_of,
    power_facts,
    power_meters_of,
    subjects_of,
)
from zonepulse.oracle.rules import RuleWatch
from zonepulse.oracle.zone.registry import Registry


class Event(NamedTuple):
    """A row of `intervals` as one tick emitted it."""

    tick: int
    channel: Key
    window: int
    row: Row


class Ledger:
    """All windows of a zone, and the latest row of every key with the tick that changed it."""

    def __init__(self, registry: Registry, entered: Entered) -> None:
        self._registry = registry
        self._grid = Grid.of(registry.policy)
        self._factors = FactorTable(registry)
        self._entered = entered
        edges = {edge for validities in registry.meters.values() for validity in validities for edge in validity}
        edges |= {edge for line in registry.network.edges for edge in (line.valid_from_ms, line.valid_to_ms)}
        self._edges = sorted(edges)
        self._plans: dict[int, tuple[Plan, Topology]] = {}
        self._windows: dict[int, Window] = {}
        self._zone: Entity = ("zone", registry.policy.zone)
        self._book = Book()
        self._market = Market(registry, self._factors, self._book, self._window)
        self._nodal = Nodal(registry, self._factors, self._look)
        self._connected = [c for c in registry.companies if any((c, node) in registry.places for node in registry.network.nodes)]
        """Companies with a site in the network."""
        self._factor_watch = FactorWatch(registry.policy.zone)
        self._residual_watch = ResidualWatch(registry.policy.zone)
        self._watches = self._make_watches()
        self._node_watches = [NodeWatch(registry, node=name) for name in registry.network.nodes]
        factors = [FactorOfPower(registry, meter=name, most=most) for name, most in power_meters_of(registry)]
        self._families: list[FamilyWatch | FactorOfPower] = [
            *(FamilyWatch(registry, meter=name) for name in families_of(registry)),
            *factors,
        ]
        self._plants = PlantWatch(registry, plants=plants_of(registry))
        self._reader = Reader(registry, self._book)
        self._budgets = Budgets(registry, self._book)
        self._watches_of: defaultdict[Entity, list[RuleWatch]] = defaultdict(list)
        for watch in self._watches:
            self._watches_of[watch.subject].append(watch)

    @property
    def tables(self) -> dict[str, dict[RowKey, TableRow]]:
        """Emissions, totals and intensity."""
        return self._book.tables

    @property
    def transitions(self) -> list[Transition]:
        """The alerts of the ledger's rules."""
        watches = (*self._watches, *self._node_watches, *self._families, self._plants)
        judged = [transition for watch in watches for transition in watch.transitions]
        return [*self._factor_watch.transitions, *self._residual_watch.transitions, *judged, *self._budgets.transitions]

    def live(self, events: list[Event], until_tick: int) -> None:
        """Apply the rows of all partitions and the manual entries, and close every tick up to `until_tick`."""
        by_tick: defaultdict[int, list[Event]] = defaultdict(list)
        for event in (*(Event(*row) for row in self._entered.rows), *events):
            if not self._is_too_old(event):
                by_tick[event.tick].append(event)
        for tick in sorted(t for t in by_tick if t <= until_tick):
            self._judge(tick - 1)
            self._apply(by_tick[tick], tick)
            for watch in (*self._watches, *self._node_watches, *self._families, self._plants):
                watch.changed(tick)
        self._judge(until_tick)

    def _is_too_old(self, event: Event) -> bool:
        policy = self._registry.policy
        revisable_ms = policy.max_gap_ms + policy.lateness_ms + policy.delay_ms + 2 * policy.window_ms
        return self._grid.start_ms(event.window) < event.tick * policy.tick_ms - revisable_ms

    def _apply(self, events: list[Event], tick: int) -> None:
        events = [self._bounded(event) for event in events]
        touched: dict[tuple[int, Entity], None] = {}
        for event in events:
            entities = self._window(event.window).put(event.channel, event.row)
            touched |= dict.fromkeys((event.window, entity) for entity in entities)
        found: defaultdict[Subject, list[tuple[int, bool]]] = defaultdict(list)
        for event in events:
            window = self._window(event.window)
            row = window.emission(event.channel)
            if (
                row is not None
                and self._book.write("emissions", row, tick)
                and (row["factor_id"] or row["energy_micro"] is not None)
            ):
                found[row["company"], window.carrier(event.channel), "location"].append((row["start"], bool(row["factor_id"])))
        of_company: defaultdict[str, set[int]] = defaultdict(set)
        for event in events:
            meter, register = event.channel
            facts = self._plan(self._grid.start_ms(event.window))[0].facts.get(event.channel)
            for subject in (("register", f"{meter}/{register}"), ("meter", meter), ("site", facts.site if facts else "")):
                self._see(subject, event.window)
            for family in self._families:
                if facts and family.meter in (meter, facts.parent) and self._family_facts(family, event.window) is not None:
                    family.see(event.window)
            if event.channel in self._plants.plants and self._plant_facts(event.window) is not None:
                self._plants.see(event.window)
        for number, entity in touched:
            self._write_entity(number, entity, tick)
            if entity != self._zone:
                of_company[entity[1]].add(number)
        found |= self._market.apply(tick, of_company, {number for number, entity in touched if entity == self._zone})
        self._factor_watch.tick(tick, found)
        if self._registry.network.nodes:
            self._apply_network(events, {number for windows in of_company.values() for number in windows}, tick)

    def _bounded(self, event: Event) -> Event:
        """A row above what its register's max_power allows a window is not booked: it counts as missing."""
        facts = self._registry.facts_at(*event.channel, self._grid.start_ms(event.window))
        most = None if facts is None else facts.most(self._registry.policy.max_gap_ms)
        if most is None or event.row.value is None or event.row.value <= most:
            return event
        return event._replace(row=MISSING)

    def _apply_network(self, events: list[Event], touched: set[int], tick: int) -> None:
        """Solve the network where one of its channels has a new row; other changes of a company change the sum of its scope 2."""
        metered = {e.window for e in events if e.channel in self._plan(self._grid.start_ms(e.window))[1].channels}
        again = {*self._nodal.apply(tick, metered), *(touched & self._nodal.states.keys())}
        solves = []
        for number in sorted(again):
            for watch in self._node_watches:
                watch.see(number)
            state, window = self._nodal.states[number], self._window(number)
            heat_of = {company: window.purchased_heat(("company", company)) for company in self._connected}
            if write_nodal(state, self._registry, self._book, tick, heat_of) and state.solved is not None:
                solves.append((self._grid.start_ms(number), state.solved.trace.residual, state.solved.source_mg))
            for node in self._registry.network.nodes:
                self._see(("node", node), number)
        self._residual_watch.tick(tick, solves)

    def _write_entity(self, number: int, entity: Entity, tick: int) -> None:
        window = self._window(number)
        for row in window.totals(entity):
            self._book.write("totals", row, tick)
        intensity = window.intensity() if entity == self._zone else None
        if intensity is not None:
            self._book.write("intensity", intensity, tick)
        self._see(entity, number)

    def _window(self, number: int) -> Window:
        if number not in self._windows:
            start_ms = self._grid.start_ms(number)
            plan = self._plan(start_ms)[0]
            if number in self._entered.facts:
                plan = plan.with_entries(self._zone, self._entered.facts[number])
            self._windows[number] = Window(self._registry, plan, self._factors, start_ms)
        return self._windows[number]

    def _plan(self, start_ms: int) -> tuple[Plan, Topology]:
        """What counts, and what the network is, in windows that start at an instant."""
        epoch = bisect_right(self._edges, start_ms)
        if epoch not in self._plans:
            plan = plan_at(self._registry, start_ms)
            self._plans[epoch] = (plan, topology_at(self._registry, plan, start_ms))
        return self._plans[epoch]

    def _look(self, number: int) -> Snapshot:
        plan, topology = self._plan(self._grid.start_ms(number))
        return Snapshot(topology, plan, self._window(number).rows)

    def _make_watches(self) -> list[RuleWatch]:
        return [
            RuleWatch(self._registry, rule=rule, subject=subject)
            for rule in self._registry.rules
            for subject in subjects_of(rule, self._registry)
        ]

    def _see(self, subject: Entity, number: int) -> None:
        """Rows of a subject may be there that its rules are judged by."""
        for watch in self._watches_of[subject]:
            if self._facts(watch, number) is not None:
                watch.see(number)

    def _facts(self, watch: RuleWatch, number: int) -> Found | None:
        start_ms = self._grid.start_ms(number)
        return self._reader.read(watch.subject, self._window(number), self._plan(start_ms)[0], start_ms)

    def _family_facts(self, family: FamilyWatch | FactorOfPower, number: int) -> tuple[bool, tuple[int, int] | None] | None:
        plan = self._plan(self._grid.start_ms(number))[0]
        facts_of = family_facts if isinstance(family, FamilyWatch) else power_facts
        return facts_of(family.meter, self._window(number), plan, self._registry.policy.window_ms)

    def _plant_facts(self, number: int) -> tuple[bool, dict[Key, int]] | None:
        return plant_facts(self._window(number), self._plan(self._grid.start_ms(number))[0], self._registry.policy.window_ms)

    def _judge(self, until_tick: int) -> None:
        self._budgets.judge(until_tick)
        for watch in self._watches:
            while (number := watch.next_window()) is not None:
                found = self._facts(watch, number)
                assert found is not None
                tick = watch.due(until_tick, found["covered_ms"] == found["expected_ms"], number)
                if tick is None:
                    break
                watch.judge(number, found.get, tick, partial(self._reader.outside, watch.rule, found))

        for node in self._node_watches:
            while (number := node.next_window()) is not None:
                start_ms = self._grid.start_ms(number)
                row = self._book.total(start_ms, "imbalance", node.node, "electricity", 0, "nodal")
                entering = self._book.intensity(start_ms, node.node, "nodal")
                assert row is not None and entering is not None
                is_covered = row["covered_ms"] == row["expected_ms"]
                tick = node.due(until_tick, is_covered, number)
                if tick is None:
                    break
                node.judge(number, entering["energy_micro"] or 0, row["energy_micro"] if is_covered else None, tick)

        for family in self._families:
            while (number := family.next_window()) is not None:
                facts = self._family_facts(family, number)
                assert facts is not None
                tick = family.due(until_tick, facts[0], number)
                if tick is None:
                    break
                family.judge(number, facts[1], tick)
        while (number := self._plants.next_window()) is not None:
            made = self._plant_facts(number)
            assert made is not None
            tick = self._plants.due(until_tick, made[0], number)
            if tick is None:
                break
            self._plants.judge(number, made[1], tick)
