"""Which carbon flows where: energy that leaves a node carries the mix of what enters it.

A node's throughput T is what flows in plus what is injected; everything that leaves it, the imbalance included, adds up to T. Nodes
that feed each other in a ring are solved together, all others one after the other. Carbon is in whole mg, and what enters a node
leaves it to the last mg.

A node is unknown if anything that enters it is: an injection without value or factor, a flow that no meter knows, a flow above 0 from
an unknown node. So is a ring that nothing enters from outside, and a node that gives without receiving.
Decision: an item of weight 0 carries carbon 0 wherever it is; every other item of an unknown node carries None.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

QUANTUM: Final = 1_024_000_000
"""A ring's intensities are whole numbers of 1 / QUANTUM mg per micro-kWh."""


@dataclass
class Injection:
    """Energy that enters the network at a node; None: not known."""

    node: str
    energy: int | None
    carbon: int | None


@dataclass
class Item:
    """Energy that leaves a node: `to` is the node that it is delivered to, '' where it leaves the network."""

    node: str
    weight: int
    to: str = ""
    carbon: int | None = 0


@dataclass
class Node:
    """What is known of a node. `throughput` counts what is known of an unknown one."""

    is_unknown: bool = False
    throughput: int = 0
    carbon: int = 0
    """Carbon in; of an unknown node, what is known of it: `untraced`."""
    imbalance: Item = field(default_factory=lambda: Item("", 0))


class Trace:
    """One window of a network. It fills in the carbon of `items` and makes the nodes' imbalances."""

    def __init__(self, names: list[str], injections: list[Injection], items: list[Item], blind: set[str]) -> None:
        """`names` in the order of the network; `items` of a node in the order in which they share; `blind` nodes have an unknown
        in-flow.
        """
        self.nodes = {name: Node(is_unknown=name in blind) for name in names}
        self.residual = 0
        self._order = names
        self._fed: dict[str, int] = dict.fromkeys(names, 0)
        """Carbon that has come in so far."""
        self._items: dict[str, list[Item]] = {name: [] for name in names}
        self._feeders: dict[str, list[Item]] = {name: [] for name in names}
        for item in items:
            self._items[item.node].append(item)
            if item.to and item.weight > 0:
                self._feeders[item.to].append(item)
                self.nodes[item.to].throughput += item.weight
        for injection in injections:
            node = self.nodes[injection.node]
            node.throughput += injection.energy or 0
            node.is_unknown = node.is_unknown or injection.energy is None or injection.carbon is None
            self._fed[injection.node] += injection.carbon or 0
        for name, node in self.nodes.items():
            node.imbalance = Item(name, node.throughput - sum(item.weight for item in self._items[name]))
        for group in self._groups():
            self._solve(group)

    def _groups(self) -> list[list[str]]:
        """The nodes in the order of the flows; those that feed each other in a ring together."""
        waiting, groups = list(self._order), []
        while waiting:
            above = {name: self._above(name, waiting) for name in waiting}
            ready = [n for n in waiting if all(n in above[m] for m in above[n])]
            found = [[m for m in waiting if m == n or (m in above[n] and n in above[m])] for n in ready]
            groups += [group for group, n in zip(found, ready, strict=True) if group[0] == n]
            waiting = [n for n in waiting if n not in ready]
        return groups

    def _above(self, name: str, among: list[str]) -> set[str]:
        """The nodes that feed a node, directly or through others."""
        found: set[str] = set()
        todo = [name]
        while todo:
            for item in self._feeders[todo.pop()]:
                if item.node in among and item.node not in found:
                    found.add(item.node)
                    todo.append(item.node)
        return found

    def _solve(self, group: list[str]) -> None:
        for name in group:
            for item in self._feeders[name]:
                if item.node not in group:
                    self._fed[name] += item.carbon or 0
        if any(self._is_unknown(name) for name in group) or (len(group) > 1 and not self._is_fed(group)):
            for name in group:
                self._leave_unknown(name)
        elif len(group) == 1:
            self._share(group[0])
        else:
            self._share_ring(group)

    def _is_unknown(self, name: str) -> bool:
        node = self.nodes[name]
        gives_from_nothing = node.throughput == 0 and any(item.weight for item in self._items[name])
        return node.is_unknown or gives_from_nothing or any(self.nodes[item.node].is_unknown for item in self._feeders[name])

    def _is_fed(self, group: list[str]) -> bool:
        """Whether any energy comes into the ring."""
        return any(self.nodes[n].throughput > sum(i.weight for i in self._feeders[n] if i.node in group) for n in group)

    def _leave_unknown(self, name: str) -> None:
        node = self.nodes[name]
        node.is_unknown, node.carbon = True, self._fed[name]
        for item in (*self._items[name], node.imbalance):
            item.carbon = None if item.weight else 0

    def _share(self, name: str) -> None:
        """Cumulative floors: the items' carbon adds up to what came in."""
        node, before = self.nodes[name], 0
        node.carbon = self._fed[name]
        if node.throughput == 0:
            return
        for item in (*self._items[name], node.imbalance):
            after = before + item.weight
            item.carbon = node.carbon * after // node.throughput - node.carbon * before // node.throughput
            before = after

    def _share_ring(self, group: list[str]) -> None:
        scaled = {name: round(x * QUANTUM) for name, x in zip(group, self._intensities(group), strict=True)}
        leaving: list[Item] = []
        for name in group:
            node = self.nodes[name]
            node.carbon = (2 * scaled[name] * node.throughput + QUANTUM) // (2 * QUANTUM)
            for item in (*self._items[name], node.imbalance):
                if item.to in group:
                    item.carbon = (2 * scaled[name] * item.weight + QUANTUM) // (2 * QUANTUM)
                else:
                    leaving.append(item)
        before = 0
        for item in leaving:
            after = before + scaled[item.node] * item.weight
            item.carbon = after // QUANTUM - before // QUANTUM
            before = after
        residual = sum(self._fed[name] for name in group) - before // QUANTUM
        largest = max(leaving, key=lambda item: scaled[item.node] * item.weight)
        largest.carbon = (largest.carbon or 0) + residual
        self.residual += abs(residual)

    def _intensities(self, group: list[str]) -> list[Fraction]:
        """mg per micro-kWh of the nodes of a ring: T x_i - sum of inner flows x_j = carbon from outside, by elimination."""
        place = {name: i for i, name in enumerate(group)}
        rows = []
        for name in group:
            row = [Fraction(0)] * len(group) + [Fraction(self._fed[name])]
            row[place[name]] += self.nodes[name].throughput
            for item in self._feeders[name]:
                if item.node in place:
                    row[place[item.node]] -= item.weight
            rows.append(row)
        for i in range(len(rows)):
            pivot = next(k for k in range(i, len(rows)) if rows[k][i] != 0)
            rows[i], rows[pivot] = rows[pivot], rows[i]
            rows[i] = [value / rows[i][i] for value in rows[i]]
            for k in range(len(rows)):
                if k != i and rows[k][i] != 0:
                    rows[k] = [a - rows[k][i] * b for a, b in zip(rows[k], rows[i], strict=True)]
        return [row[-1] for row in rows]
