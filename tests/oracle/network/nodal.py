"""The network through time: which windows are solved again at a tick, and what storages carry from one to the next.

Windows that are not settled are a chain in order of their start: each storage hands on what it holds. A settled window keeps what it
handed on. If it is revised, its discharge is valued as it was when the window settled, and the difference is booked as an adjustment
of the current window, the earliest that is not settled.
Decisions: windows settle no earlier than they become due (`Grid.settling_ms`). A window that appears when it is settled is valued by
the settled inventory of that moment, and its storage rows show that inventory. Bookings into one window add up.
"""

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from zonepulse.oracle.carbon.factors import FactorTable
from zonepulse.oracle.carbon.plan import Plan
from zonepulse.oracle.grid import Grid
from zonepulse.oracle.network.flows import Solved, solve
from zonepulse.oracle.network.network import Rows, Topology
from zonepulse.oracle.network.storage import NOTHING, Amount, Inventory, Turn, share
from zonepulse.oracle.zone.registry import Registry


@dataclass
class Snapshot:
    """What the network looks like in a window, and the rows it has now."""

    topology: Topology
    plan: Plan
    rows: Rows


@dataclass
class State:
    """A window of the network."""

    number: int
    turns: dict[str, Turn]
    topology: Topology | None = None
    solved: Solved | None = None
    said: dict[tuple[str, ...], Any] = field(default_factory=dict)
    """The lines of rows as last written."""


class Nodal:
    """All windows of the network."""

    def __init__(self, registry: Registry, factors: FactorTable, look: Callable[[int], Snapshot]) -> None:
        self._grid, self._factors, self._look = Grid.of(registry.policy), factors, look
        self._nodes = list(registry.network.nodes)
        self._storages = {s.id: s for s in registry.network.sources if s.kind == "storage"}
        self._held = {name: Inventory.initial(source) for name, source in self._storages.items()}
        """Inventories behind the last settled window."""
        self._live: list[int] = []
        self.states: dict[int, State] = {}

    def apply(self, tick: int, touched: set[int]) -> list[int]:
        """Solve what the changed rows of these windows change; the windows that were solved again."""
        self._settle(tick)
        late = sorted(number for number in touched if self._grid.settle_tick(number) < tick)
        again = touched - set(late)
        for number in late:
            if self._revise(number, self._grid.current(tick)):
                again.add(self._grid.current(tick))
        for number in again:
            self._live_state(number)
        return late + self._chain(again)

    def _settle(self, tick: int) -> None:
        while self._live and self._grid.settle_tick(self._live[0]) < tick:
            for name, turn in self.states[self._live.pop(0)].turns.items():
                turn.settle()
                self._held[name] = turn.after

    def _live_state(self, number: int) -> State:
        if number not in self.states:
            self.states[number] = State(number, {name: Turn(held, held) for name, held in self._held.items()})
            insort(self._live, number)
        return self.states[number]

    def _chain(self, again: set[int]) -> list[int]:
        """Hand on what the storages hold, from window to window."""
        held, solved = self._held, []
        for number in self._live:
            turns = self.states[number].turns
            if number in again or any(turn.before != held[name] for name, turn in turns.items()):
                self._pass(self.states[number], held)
                solved.append(number)
            held = {name: turn.after for name, turn in turns.items()}
        return solved

    def _pass(self, state: State, held: dict[str, Inventory]) -> None:
        """One live window: discharge, write-off, trace, charge, adjustment."""
        look = self._look(state.number)
        for name, turn in state.turns.items():
            turn.before = held[name]
            energy = _discharged(look, name)
            left, carbon = turn.before.discharge(energy)
            turn.out = Amount(energy, carbon)
            turn.after, turn.lost = left.write_off()
        self._solve(state, look)
        for turn in state.turns.values():
            turn.after, loose = turn.after.charge(turn.taken)
            turn.lost = turn.lost.plus(Amount(0, loose))
            turn.after, loose = turn.after.adjust(turn.adjustment) if turn.is_adjusted else (turn.after, 0)
            turn.lost = turn.lost.plus(Amount(0, loose))

    def _solve(self, state: State, look: Snapshot) -> None:
        """Trace the window with the discharges' carbon as it is known, and see what the storages take."""
        out = {name: turn.out.carbon for name, turn in state.turns.items()}
        start_ms = self._grid.start_ms(state.number)
        state.topology = look.topology
        state.solved = solve(look.topology, self._nodes, look.plan, look.rows, self._factors, start_ms, out)
        for name, turn in state.turns.items():
            energy, carbon = state.solved.charge(name)
            efficiency = self._storages[name].efficiency
            turn.taken = Amount(energy * efficiency.numerator // efficiency.denominator, carbon)

    def _revise(self, number: int, current: int) -> bool:
        """Solve a settled window again and book what changes into the current window; whether anything was booked."""
        if number not in self.states:
            turns = {name: Turn(held, held, pair=held.pair) for name, held in self._held.items()}
            self.states[number] = State(number, turns)
        state, look = self.states[number], self._look(number)
        before = {name: turn.taken.minus(turn.out) for name, turn in state.turns.items()}
        for name, turn in state.turns.items():
            energy = _discharged(look, name)
            turn.out = Amount(energy, share(turn.pair, energy))
        self._solve(state, look)
        is_booked = False
        for name, turn in state.turns.items():
            change = turn.taken.minus(turn.out).minus(before[name])
            if change != NOTHING:
                booked = self._live_state(current).turns[name]
                booked.adjustment, booked.is_adjusted, is_booked = booked.adjustment.plus(change), True, True
        return is_booked


def _discharged(look: Snapshot, storage: str) -> int:
    return next(i for i in look.topology.inlets if i.source.id == storage).gives.flow(look.rows).energy
