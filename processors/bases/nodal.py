"""The nodal basis: the carbon of each window's sources followed through the network to nodes, companies, losses and storages.

It is a view of where carbon goes, not an inventory: what a generator's fuel emits is booked in scope 1, and traced here once more if its
register carries an `ef`. In every window, to the milligram: sources = loads + losses + charges + exports + imbalances + untraced.

Storages make a chain: a window's discharge costs what the windows before it left. Windows that are open are chained anew whenever one of
them changes. A window that has settled (end + lateness) keeps the worth of its discharge; what a later revision would have left more or
less in the storage is booked as `storage_adjustment` in the first open window.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.accounting.plan import BEARING
from zonepulse.processors.accounting.posting import VAL
from zonepulse.processors.accounting.series import EXISTS, HAS_CO2E, emitted
from zonepulse.processors.accounting.window_sums import WindowSums
from zonepulse.processors.bases.basis import Basis, Given, Posted, Row, Said
from zonepulse.processors.bases.nodal_series import make_series, places
from zonepulse.processors.bases.residual import Residual, Residuals
from zonepulse.processors.bases.unexplained import Unexplained
from zonepulse.processors.flow import Rows
from zonepulse.processors.network.network_window import Bools, Flows, SeriesWriter, Sums, co2e_mg
from zonepulse.processors.network.storage import Inventory, Lot, Passage, valuation, value
from zonepulse.processors.network.topology import Ints, Topologies, Topology
from zonepulse.processors.network.tracing_arrays import Traced

Injections = tuple[Ints, Ints, Bools, Bools]
"""By source: energy, carbon, whether both are known, whether the energy is."""


class Nodal(Basis):
    """The network of a zone, window by window. Without nodes it does nothing."""

    name = "nodal"

    def __init__(self, given: Given) -> None:
        registry, plan, series, table = given.channels.registry, given.plan, given.series, given.table
        self._network, self._length, self._table = registry.network, registry.zone.window_ms, table
        self._topologies = Topologies(registry, plan)
        pairs, nodes = self._topologies.pairs, self._network.nodes
        self._pair_node = np.array([self._topologies.nodes[node] for _, node in pairs], np.int64)
        peopled = places(node for _, node in pairs)
        self._pair_load = np.array([peopled[node] for _, node in pairs], np.int64)
        at = places(company for company, _ in pairs if company)
        self._companies = list(at)
        self._pair_company = np.array([at[c] if c else -1 for c, _ in pairs], np.int64)
        sources = self._network.sources
        self._storages = [k for k, s in enumerate(sources) if s.kind == "storage"]
        self._grids = [k for k, s in enumerate(sources) if s.kind == "grid_import"]
        self._series = make_series(series, registry.zone.id, self._network, pairs, self._companies)
        order = {c.id: i + 1 for i, c in enumerate(registry.companies)}
        found = [series.location("company", order[c]) for c in self._companies]
        self._heat = [[one for (kind, carrier), one in f.items() if kind == BEARING and carrier != "electricity"] for f in found]
        self._heat_company = {one: i for i, mine in enumerate(self._heat) for one in mine}
        self._settled = [
            Inventory(sources[k].method, sources[k].efficiency, _lots(sources[k].initial_micro, sources[k].initial_mg))
            for k in self._storages
        ]
        self._is_own = plan.postings["own_accumulator"] >= 0
        self._traced: set[int] = set()
        """Slots of the windows traced since the last tick."""
        self.is_active = bool(nodes)
        self.storages = [sources[k].id for k in self._storages]
        self._residuals = Residuals(registry.zone.id)
        self._unexplained = Unexplained(registry.zone.id, nodes, self._series.intensity, self._series.imbalance)

    # --- state ----------------------------------------------------------------------------------------------------------------

    def held(self) -> dict[str, Any]:
        """The storages' lots after the settled windows, and its alerts."""
        return {
            "lots": {name: inventory.to_facts() for name, inventory in zip(self.storages, self._settled, strict=True)},
            "residual_since": self._residuals.since,
            "unexplained": self._unexplained.held(),
        }

    def resume(self, held: dict[str, Any]) -> None:
        """Go on from what was held."""
        for i, k in enumerate(self._storages):
            source = self._network.sources[k]
            if source.id in held["lots"]:
                self._settled[i] = Inventory.from_facts(source.method, source.efficiency, held["lots"][source.id])
        self._residuals.since = held["residual_since"]
        self._unexplained.resume(held["unexplained"])

    def look_again_from(self, start: int) -> None:
        """A window may have come to exist."""
        self._unexplained.look_again_from(start)

    def judge(self, first: int, last: int, due: Callable[[int], int], windows: WindowSums) -> list[Row]:
        """Nodes that more leaves than comes in."""
        return self._unexplained.judge(first, last, self._length, due, windows)

    def settle(self, slot: int, windows: WindowSums) -> None:
        """A window settles: the storages go on from what it left."""
        if self.is_active and self._exists(slot, windows):
            for i, inventory in enumerate(self._settled):
                self._pass(i, inventory, slot, windows)

    def _exists(self, slot: int, windows: WindowSums) -> bool:
        return bool(windows.emitted_of(slot, self._series.residual)[-1] & EXISTS)

    def _passage(self, i: int, slot: int, windows: WindowSums) -> Passage:
        """What a storage did in a window, as last emitted."""
        source = windows.emitted_of(slot, self._series.source[self._storages[i]])
        charge = windows.emitted_of(slot, self._series.charge[i])
        return Passage(charge[0], charge[1], source[0], source[1])

    def _pass(self, i: int, inventory: Inventory, slot: int, windows: WindowSums) -> None:
        """A window passes a storage, as it was last emitted."""
        passage, adjusted = self._passage(i, slot, windows), windows.emitted_of(slot, self._series.adjustment[i])
        inventory.discharge(passage.discharged)
        inventory.write_off()
        inventory.charge(passage.charged, passage.charged_carbon)
        inventory.adjust(adjusted[0], adjusted[1])

    # --- windows --------------------------------------------------------------------------------------------------------------

    def update(self, posted: Posted, windows: WindowSums) -> Said:
        """Trace anew the windows whose channels have new rows, and those that storages bind to them."""
        if not self.is_active:
            return Said()
        tick = posted.tick
        mine = np.unique(posted.slots[self._is_own[posted.rows["version"]]]).tolist()
        settled = sorted((s for s in mine if windows.start(s) < windows.open_from), key=windows.start)
        first = min((windows.start(s) for s in mine if windows.start(s) >= windows.open_from), default=None)
        residuals: list[Residual] = []
        self._traced.clear()
        booked = Counter[tuple[int, str]]()
        for slot in settled:
            self._trace_settled(slot, windows, tick, residuals, booked)
        if booked:
            first = windows.open_from
            self._book(booked, windows, tick)
        if first is not None:
            self._trace_open(first, set(mine), windows, tick, residuals)
        self._say_whole(posted.touched, windows, tick)
        return Said(alerts=self._residuals.judge(residuals, tick))

    def _trace_settled(
        self, slot: int, windows: WindowSums, tick: int, residuals: list[Residual], booked: Counter[tuple[int, str]]
    ) -> None:
        """A settled window; what it would have left more in the storages is added to `booked`."""
        topology = self._topologies.at(windows.start(slot))
        if not self._exists(slot, windows):
            for i, inventory in enumerate(self._settled):
                windows.sums.storage_valuation[slot, i] = valuation(inventory, 0, 0)
                held = inventory.held
                windows.emit(int(self._series.storage[i]), slot, emitted(*held))
                windows.emit(int(self._series.written_off[i]), slot, emitted(0, 0))
        before = [self._passage(i, slot, windows) for i in range(len(self._storages))]
        valuations = [Lot(*valued) for valued in windows.sums.storage_valuation[slot].tolist()]
        sums = Sums(windows.sums.acc[slot], topology)
        worth = [
            value(valuation_then, int(sums.val[topology.injected[k]]))
            for valuation_then, k in zip(valuations, self._storages, strict=True)
        ]
        self._trace(slot, topology, sums, worth, windows, tick, residuals)
        for i, inventory in enumerate(self._settled):
            energy, carbon = inventory.difference(before[i], self._passage(i, slot, windows))
            if energy or carbon:
                booked[i, "energy"] += energy
                booked[i, "carbon"] += carbon

    def _book(self, booked: Counter[tuple[int, str]], windows: WindowSums, tick: int) -> None:
        """Adjust the storages in the first open window."""
        current = windows.open_slot(windows.open_from)
        for i in {i for i, _ in booked}:
            series = int(self._series.adjustment[i])
            energy, carbon, *_ = windows.emitted_of(current, series)
            windows.emit(series, current, emitted(energy + booked[i, "energy"], carbon + booked[i, "carbon"]))
        windows.commit(tick)

    def _trace_open(self, first: int, mine: set[int], windows: WindowSums, tick: int, residuals: list[Residual]) -> None:
        """Open windows from `first` on: those in `mine`, or all that exist where storages bind them together."""
        inventories = [inventory.copy() for inventory in self._settled]
        for start in windows.starts[bisect_left(windows.starts, windows.open_from) :]:
            slot = windows.pages.slot(start)
            is_due = slot in mine or self._is_adjusted(slot, windows)
            if start < first or not (is_due or self._exists(slot, windows)):
                if self._exists(slot, windows):
                    for i, inventory in enumerate(inventories):
                        self._pass(i, inventory, slot, windows)
            elif is_due or inventories:
                self._trace_chained(slot, inventories, windows, tick, residuals)

    def _is_adjusted(self, slot: int, windows: WindowSums) -> bool:
        return any(windows.emitted_of(slot, series)[-1] & EXISTS for series in self._series.adjustment)

    def _trace_chained(
        self, slot: int, inventories: list[Inventory], windows: WindowSums, tick: int, residuals: list[Residual]
    ) -> None:
        topology = self._topologies.at(windows.start(slot))
        sums = Sums(windows.sums.acc[slot], topology)
        worth, written_off = [], []
        for i, inventory in enumerate(inventories):
            discharged = int(sums.val[topology.injected[self._storages[i]]])
            before = inventory.copy()
            worth.append(inventory.discharge(discharged))
            written_off.append(inventory.write_off())
            windows.sums.storage_valuation[slot, i] = valuation(before, discharged, worth[-1])
        self._trace(slot, topology, sums, worth, windows, tick, residuals)
        for i, inventory in enumerate(inventories):
            passage = self._passage(i, slot, windows)
            energy, carbon, *_ = windows.emitted_of(slot, self._series.adjustment[i])
            lost = written_off[i].carbon + inventory.charge(passage.charged, passage.charged_carbon)
            lost += inventory.adjust(energy, carbon)
            windows.emit(int(self._series.written_off[i]), slot, emitted(written_off[i].energy, lost))
            windows.emit(int(self._series.storage[i]), slot, emitted(*inventory.held))
        windows.commit(tick)

    def _trace(
        self,
        slot: int,
        topology: Topology,
        sums: Sums,
        worth: list[int],
        windows: WindowSums,
        tick: int,
        residuals: list[Residual],
    ) -> None:
        """Trace one window and say its series; `worth` is the carbon of what the storages discharge."""
        start = windows.start(slot)
        flows = Flows(sums, topology)
        injected, carbon, is_known, is_measured = self._injections(windows.sums.acc[slot], topology, sums, worth, start)
        use, is_used = sums.signed[topology.used], sums.cov[topology.used] > 0
        charged, exported = sums.val[topology.charged], sums.val[topology.exported]
        window = topology.tracer.window()
        window.send[:], window.recv[:], window.is_flow_known[:] = flows.send, flows.recv, flows.is_known
        window.energy[:], window.carbon[:], window.is_injection_known[:] = injected, carbon, is_known
        window.withdrawn[:] = np.concatenate([np.maximum(use, 0), charged, exported])
        traced = topology.tracer.trace(window)
        self._traced.add(slot)
        emit = SeriesWriter(self._length)
        self._say_nodes(emit, topology, sums, flows, traced)
        self._say_edges(emit, topology, sums, flows, traced)
        self._say_sources(emit, topology, sums, (injected, carbon, is_known, is_measured), traced)
        self._say_loads(emit, topology, sums, traced, use, is_used)
        residual = int(traced.residual[0])
        emit.one(self._series.residual, None, residual)
        if (emit.commit(slot, windows, tick)["series"] == self._series.residual).any():
            residuals.append(Residual(start, residual, int(window.carbon[window.is_injection_known].sum())))

    def _injections(self, acc: NDArray[np.int64], topology: Topology, sums: Sums, worth: list[int], start: int) -> Injections:
        """By source: energy, carbon, whether both are known, whether the energy is."""
        injected = sums.val[topology.injected]
        is_measured = (sums.n[topology.injected] == 0) | (sums.cov[topology.injected] > 0)
        is_known = is_measured.copy()
        carbon = np.zeros(len(injected), np.int64)
        own = co2e_mg(acc[topology.generator_accumulators, VAL], topology.generator_mg)
        np.add.at(carbon, topology.generator_source, own)
        factor = self._table.location("electricity", "", "kWh", start)
        for k in self._grids:
            carbon[k] = 0 if factor is None else co2e_mg(injected[k], np.int64(factor.factor_mg))
            is_known[k] &= factor is not None or sums.n[topology.injected[k]] == 0
        carbon[self._storages] = worth
        carbon[injected == 0] = 0
        return injected, carbon, is_known, is_measured

    def _say_nodes(self, emit: SeriesWriter, topology: Topology, sums: Sums, flows: Flows, traced: Traced) -> None:
        nodes = len(self._network.nodes)
        heads = np.concatenate([topology.head, tracer_nodes(topology)])
        est, cov, n = (
            _grouped(heads, np.concatenate([f, s[topology.injected]]), nodes)
            for f, s in ((flows.recv_est, sums.est), (flows.cov, sums.cov), (flows.n, sums.n))
        )
        ok, energy = traced.is_known, traced.throughput
        emit(self._series.intensity, energy, traced.carbon, ok, ok, est, cov, n)
        none, always = np.zeros(nodes, np.int64), np.ones(nodes, bool)
        all_cov, all_n = self._node_cover(topology, sums, flows)
        is_sourceless = ~ok & (energy == 0) & (traced.imbalance < 0) & (all_cov == all_n * self._length)
        emit(self._series.imbalance, traced.imbalance, traced.imbalance_carbon, ok | is_sourceless, ok, none, all_cov, all_n)
        untraced = np.where(ok, 0, traced.untraced)
        is_lost = _is_lost(topology, flows, traced)
        np.add.at(untraced, topology.tail, np.where(is_lost & ~np.roll(is_lost, len(topology.edges)), traced.lost, 0))
        emit(self._series.untraced, np.where(ok, 0, energy), untraced, always, always, none, none, none)

    def _node_cover(self, topology: Topology, sums: Sums, flows: Flows) -> tuple[Ints, Ints]:
        """By node: what all that enters and leaves it is covered for (ms), and by how many registers."""
        injected = tracer_nodes(topology)
        nodes = [topology.head, topology.tail, injected, self._pair_node, injected[self._storages], injected[self._grids]]
        terms = (topology.injected, topology.used, topology.charged, topology.exported)
        parts = [
            [flows_of, flows_of, *(of_term[term] for term in terms)]
            for flows_of, of_term in ((flows.cov, sums.cov), (flows.n, sums.n))
        ]
        cov, n = (_grouped(np.concatenate(nodes), np.concatenate(part), len(self._network.nodes)) for part in parts)
        return cov, n

    def _say_edges(self, emit: SeriesWriter, topology: Topology, sums: Sums, flows: Flows, traced: Traced) -> None:
        edges, at = len(topology.edges), topology.edges
        is_delivered = flows.is_known & (traced.is_known[topology.tail] | (flows.recv == 0))
        lost = flows.send - flows.recv
        is_lost = _is_lost(topology, flows, traced)
        for series, f in ((self._series.flow, slice(0, edges)), (self._series.flow_back, slice(edges, None))):
            emit(
                series[at],
                flows.recv[f],
                traced.delivered[f],
                flows.is_known[f],
                is_delivered[f],
                flows.recv_est[f],
                flows.cov[f],
                flows.n[f],
            )

        def both(values: NDArray[Any]) -> NDArray[Any]:
            return values[:edges] + values[edges:]

        is_known = flows.is_known[:edges] | flows.is_known[edges:]
        emit(
            self._series.loss[at], both(lost), both(traced.lost), is_known, is_lost[:edges] & is_lost[edges:],
            both(flows.send_est - flows.recv_est), both(flows.cov), both(flows.n),
        )  # fmt: skip

    def _say_sources(
        self,
        emit: SeriesWriter,
        topology: Topology,
        sums: Sums,
        injections: Injections,
        traced: Traced,
    ) -> None:
        injected, carbon, is_known, is_measured = injections
        at = topology.injected
        emit(self._series.source, injected, carbon, is_measured, is_known, sums.est[at], sums.cov[at], sums.n[at])
        first = len(topology.used)
        nodes = tracer_nodes(topology)
        for series, terms, mine in (
            (self._series.charge, topology.charged, self._storages),
            (self._series.export, topology.exported, self._grids),
        ):
            items = slice(first, first + len(terms))
            first += len(terms)
            is_covered = (sums.n[terms] == 0) | (sums.cov[terms] > 0)
            is_shared = is_covered & (traced.is_known[nodes[mine]] | (sums.val[terms] == 0))
            emit(
                series,
                sums.val[terms],
                traced.withdrawn_carbon[items],
                is_covered,
                is_shared,
                sums.est[terms],
                sums.cov[terms],
                sums.n[terms],
            )

    def _say_loads(self, emit: SeriesWriter, topology: Topology, sums: Sums, traced: Traced, use: Ints, is_used: Bools) -> None:
        none = np.zeros(len(use), np.int64)
        emit(self._series.unmetered, np.maximum(-use, 0), none, is_used, is_used & False, none, none, none)
        energy, carbon = np.maximum(use, 0), traced.withdrawn_carbon[: len(use)]
        is_shared = traced.is_known[self._pair_node] | (energy == 0)
        facts = energy, carbon, is_used, is_shared, sums.est[topology.used], sums.cov[topology.used], sums.n[topology.used]
        for series, groups in ((self._series.load, self._pair_load), (self._series.company, self._pair_company)):
            mine = groups >= 0
            energy_of, carbon_of, used, shared, est, cov, n = (
                _grouped(groups[mine], values[mine], len(series)) for values in facts
            )
            members = _grouped(groups[mine], np.ones(int(mine.sum()), np.int64), len(series))
            emit(series, energy_of, carbon_of, used > 0, shared == members, est, cov, n)

    def _say_whole(self, touched: Rows, windows: WindowSums, tick: int) -> None:
        """Per company: its traced electricity and its heat and steam, in the windows where one of them may have changed."""
        wanted = {(slot, i) for slot in self._traced for i in range(len(self._companies))}
        for series, slot in zip(touched["series"].tolist(), touched["slot"].tolist(), strict=True):
            if series in self._heat_company and self._exists(slot, windows):
                wanted.add((slot, self._heat_company[series]))
        now = windows.read([(series, slot) for slot, i in wanted for series in self._heat[i]])
        for slot, i in sorted(wanted):
            _, mg, _, cov, expected, flags = windows.emitted_of(slot, int(self._series.company[i]))
            heat = [now[series, slot] for series in self._heat[i]]
            known = [mg] if flags & HAS_CO2E else []
            known += [h.co2e for h in heat if h.co2e is not None]
            whole = emitted(
                None, sum(known) if known else None, 0, cov + sum(h.cov for h in heat), expected + sum(h.expected for h in heat)
            )
            windows.emit(int(self._series.whole[i]), slot, whole)
        windows.commit(tick)


def tracer_nodes(topology: Topology) -> Ints:
    """Node of every source."""
    return topology.tracer.graph.injection_node.astype(np.int64)


def _is_lost(topology: Topology, flows: Flows, traced: Traced) -> Bools:
    """Whether the carbon of each flow's loss is known."""
    return traced.is_known[topology.tail] | (flows.send == flows.recv)


def _grouped(groups: Ints, values: NDArray[Any], n: int) -> Ints:
    """Sum of the values of each group 0..n-1."""
    out = np.zeros(n, np.int64)
    np.add.at(out, groups, values)
    return out


def _lots(energy: int, carbon: int) -> list[Lot]:
    return [Lot(energy, carbon)] if energy or carbon else []
