"""unexplained_energy: nodes that more leaves than comes in (schemas/messages/alerts.py is the contract)."""

from bisect import bisect_left
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.accounting.series import COV, ENERGY, EXISTS, EXPECTED, FLAGS, HAS_ENERGY
from zonepulse.processors.accounting.window_sums import WindowSums
from zonepulse.processors.detection.rules import Alert
from zonepulse.processors.flow import UNSET
from zonepulse.schemas.units import MICRO

RULE: Final = "unexplained_energy"
SHARE: Final = 20
"""One part in so many of the larger of inflow and outflow may be missing."""


class Unexplained:
    """The nodes of a network, judged window by window."""

    def __init__(self, zone: str, nodes: tuple[str, ...], intensity: NDArray[np.int64], imbalance: NDArray[np.int64]) -> None:
        self._zone, self._nodes, self._intensity, self._imbalance = zone, nodes, intensity, imbalance
        self._next_start = np.full(len(nodes), UNSET)
        self._tick = np.full(len(nodes), UNSET)
        self._raised: dict[int, tuple[int, int, int]] = {}
        """Node -> start, inflow and outflow that an alert was raised with."""
        self._unseen = UNSET

    def held(self) -> list[list[Any]]:
        """By node: its name, what is next and when the last window was judged, and what it is raised with; what a snapshot keeps."""
        return [
            [node, int(self._next_start[i]), int(self._tick[i]), list(self._raised.get(i, ()))]
            for i, node in enumerate(self._nodes)
        ]

    def resume(self, held: list[list[Any]]) -> None:
        """Go on from what was held."""
        place = {node: i for i, node in enumerate(self._nodes)}
        for node, next_start, tick, raised in held:
            if node in place:
                i = place[node]
                self._next_start[i], self._tick[i] = next_start, tick
                if raised:
                    self._raised[i] = (raised[0], raised[1], raised[2])

    def look_again_from(self, start: int) -> None:
        """A window may have come to exist."""
        self._unseen = min(self._unseen, start)

    def judge(self, first: int, last: int, length: int, due: Callable[[int], int], windows: WindowSums) -> list[dict[str, Any]]:
        """Transitions of the windows that are ready at ticks first..last, between which nothing changes."""
        found: list[tuple[int, int, dict[str, Any]]] = []
        if not self._nodes:
            return []
        starts, is_blocked = windows.starts, np.zeros(len(self._nodes), bool)
        for at in range(bisect_left(starts, max(int(self._next_start.min()), self._unseen)), len(starts)):
            start = starts[at]
            slot = windows.pages.slot(start)  # first: opening a page may replace the sums
            emitted = windows.sums.emitted[slot]
            balance = emitted[self._imbalance - windows.base_series]
            exists = ((balance[:, FLAGS] & EXISTS) != 0) & (self._next_start <= start) & ~is_blocked
            if not exists.any():
                continue
            is_covered = balance[:, COV] == balance[:, EXPECTED]
            tick = np.maximum(np.maximum(first, self._tick), np.where(is_covered, due(start), due(start + length)))
            is_blocked |= exists & (tick > last)
            for i in np.flatnonzero(exists & (tick <= last)).tolist():
                self._next_start[i], self._tick[i] = start + 1, tick[i]
                if is_covered[i] and balance[i, FLAGS] & HAS_ENERGY:
                    inflow = emitted[self._intensity[i] - windows.base_series]
                    entered = int(inflow[ENERGY]) if inflow[FLAGS] & HAS_ENERGY else 0
                    found += [
                        (int(tick[i]), i, row) for row in self._moved(i, start, entered, int(balance[i, ENERGY]), int(tick[i]))
                    ]
            if is_blocked.all():
                break
        if not is_blocked.any():
            self._unseen = starts[-1] + 1 if starts else UNSET
        return [row for *_, row in sorted(found, key=lambda f: f[:2])]

    def _moved(self, i: int, start: int, inflow: int, balance: int, tick: int) -> list[dict[str, Any]]:
        outflow = inflow - balance
        is_breach = SHARE * max(0, -balance) > max(inflow, outflow)
        if is_breach and i not in self._raised:
            self._raised[i] = (start, inflow, outflow)
            return [self._alert(i, None, tick)]
        if not is_breach and i in self._raised:
            row = self._alert(i, start, tick)
            del self._raised[i]
            return [row]
        return []

    def _alert(self, i: int, ends_at: int | None, tick: int) -> dict[str, Any]:
        starts_at, inflow, outflow = self._raised[i]
        node, state = self._nodes[i], "raised" if ends_at is None else "resolved"
        evidence = {"inflow_micro": inflow, "outflow_micro": outflow, "node": node}
        value = (outflow - inflow) / MICRO
        return Alert(
            self._zone, RULE, {"node": node}, "warning", state, starts_at, tick, evidence, ends_at, node=node, value=value
        ).row()
