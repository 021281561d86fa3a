"""The suite `flow_tracing_cases.json`: where the carbon of generators goes in a network, by the tracing that zonepulse runs.

A case has `nodes` (any names), `generation`, `load` and `branches` in MW, lossless or with both ends of a branch, and `expected`: maps
by node or totals, and under `published` the rounded figures of a source. Zonepulse counts whole milligrams and micro-kWh of a window;
the cases are more exact than that, so their unit is the smallest power of ten that the network's totals allow. What a generator gives
to a node or load is the carbon that it would bring if it were the only one with carbon, 1 per unit of energy.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from verdict import Verdict, show

from zonepulse.processors.network.flow_tracing import Network
from zonepulse.processors.network.tracing_arrays import Traced

Values = Mapping[str, Any]
SCHEMA_VERSION = 1
ROOM = 2**52
"""Largest sum of energy or carbon, in units of the case."""
RECOMPUTED_ABS, CONSERVATION_REL = 1e-6, 1e-12
"""Tolerances of a case that names none."""
SHARE = "share_of_generator_at_node_"


def judge(document: object) -> Iterator[Verdict]:
    """A verdict for each case of the parsed file. Raises ValueError if it is no suite of networks."""
    if not isinstance(document, dict) or not isinstance(document.get("cases"), list) or not document["cases"]:
        raise ValueError("needs an object with a list `cases` that is not empty")
    if document.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        raise ValueError(f"schema_version {document['schema_version']!r} is not known; this runner reads {SCHEMA_VERSION}")
    for number, case in enumerate(document["cases"], 1):
        yield _judge_case(case, number)


def _judge_case(case: object, number: int) -> Verdict:
    if not isinstance(case, dict):
        return Verdict(
            f"case {number}", "no object", (f"a case is an object with nodes, generation, load, branches; got {case!r}",)
        )
    name, title, expected = str(case.get("id", f"case {number}")), str(case.get("title", "")), case.get("expected")
    if not isinstance(expected, dict) or not expected:
        return Verdict(name, title, ("needs the object `expected`, not empty",))
    try:
        return Verdict(name, title, tuple(_problems(Grid(case), expected, case.get("tolerance") or {})))
    except KeyError as error:
        return Verdict(name, title, (f"the case lacks {error}",))
    except Exception as error:  # a case that breaks must not hide the others
        return Verdict(name, title, (f"cannot be judged: {type(error).__name__}: {error}",))


def exact(value: float | int | str) -> Fraction:
    """The decimal number that was written."""
    return Fraction(str(value))


@dataclass
class Grid:
    """The network of a case, and what tracing finds in it."""

    case: Values

    def __post_init__(self) -> None:
        self.place = {str(node): i for i, node in enumerate(self.case["nodes"])}
        self.generation = [
            (self._at(g["node"]), exact(g["p_mw"]), exact(g["intensity_kg_per_mwh"])) for g in self._list("generation")
        ]
        self.loads = [(self._at(load["node"]), exact(load["p_mw"])) for load in self._list("load")]
        self.flows = [self._flow(branch) for branch in self._list("branches")]
        self.network = Network(
            len(self.place),
            [f[0] for f in self.flows],
            [f[1] for f in self.flows],
            [g[0] for g in self.generation],
            [load[0] for load in self.loads],
        )
        energy = sum(g[1] for g in self.generation) + sum(max(f[2], f[3]) for f in self.flows)
        carbon = sum(g[1] * g[2] for g in self.generation)
        # an intensity of a loop has 9 decimals in these units: carbon in at most a unit ten times that of energy
        self.mw = min(_unit(energy), 10 * _unit(carbon)) if carbon else _unit(energy)
        self.kg = _unit(carbon)

    def _list(self, key: str) -> list[Values]:
        found: list[Values] = self.case.get(key) or []
        return found

    def _at(self, node: object) -> int:
        if str(node) not in self.place:
            raise ValueError(f"node {node!r} is not in `nodes`")
        return self.place[str(node)]

    def _flow(self, branch: Values) -> tuple[int, int, Fraction, Fraction]:
        """(tail, head, sent, received); one end that is not told is like the other, negative power flows the other way."""
        told = [exact(branch[key]) for key in ("p_send_mw", "p_recv_mw", "p_mw") if branch.get(key) is not None]
        if not told:
            raise KeyError("p_send_mw")
        send, recv = told[0], told[-1] if len(told) < 3 else told[1]
        tail, head = self._at(branch["from"]), self._at(branch["to"])
        return (tail, head, send, recv) if send >= 0 and recv >= 0 else (head, tail, -recv, -send)

    def trace(self, carbon: list[int]) -> Traced:
        """One hour with this carbon of each generator."""
        window = self.network.window()
        window.send[:] = [round(f[2] * self.mw) for f in self.flows]
        window.recv[:] = [round(f[3] * self.mw) for f in self.flows]
        window.energy[:] = [round(g[1] * self.mw) for g in self.generation]
        window.withdrawn[:] = [round(load[1] * self.mw) for load in self.loads]
        window.carbon[:] = carbon
        return self.network.trace(window)

    @cached_property
    def carbon(self) -> list[int]:
        return [round(g[1] * g[2] * self.kg) for g in self.generation]

    @cached_property
    def traced(self) -> Traced:
        return self.trace(self.carbon)

    def from_node(self, node: object) -> Traced:
        """The case with carbon only in what is generated at a node, 1 per unit of energy."""
        at = self._at(node)
        return self.trace([round(g[1] * self.mw) if g[0] == at else 0 for g in self.generation])

    def by_node(self, numbers: Any, unit: Fraction) -> dict[str, Fraction | None]:
        """Numbers of nodes in MW or kg; null where a node is unknown."""
        return {n: Fraction(int(numbers[i])) / unit if self.traced.is_known[i] else None for n, i in self.place.items()}

    def of_loads(self, traced: Traced, unit: Fraction) -> dict[str, Fraction | None]:
        """Carbon of the loads at each node that has one."""
        found: dict[str, Fraction | None] = {}
        for k, (at, _) in enumerate(self.loads):
            node = next(n for n, i in self.place.items() if i == at)
            mine = Fraction(int(traced.withdrawn_carbon[k])) / unit if traced.is_known[at] else None
            before = found.get(node, Fraction(0))
            found[node] = None if mine is None or before is None else before + mine
        return found

    def intensities(self, traced: Traced, unit: Fraction) -> dict[str, Fraction | None]:
        """Carbon per MWh of each node, null where nothing flows."""
        return {
            n: Fraction(int(traced.carbon[i])) / unit / (Fraction(int(traced.throughput[i])) / self.mw)
            if traced.is_known[i] and traced.throughput[i]
            else None
            for n, i in self.place.items()
        }

    def answer(self, key: str, asked: object) -> object:
        """What tracing says to a key of `expected`; KeyError if that is not a question."""
        traced = self.traced
        if key.startswith(SHARE):
            return self.intensities(self.from_node(key.removeprefix(SHARE)), self.mw)
        if key == "load_mw_from_generator":
            sources = {str(source) for shares in asked.values() for source in shares} if isinstance(asked, Mapping) else set()
            given = {source: self.of_loads(self.from_node(source), self.mw) for source in sources}
            return {node: {source: given[source].get(node) for source in sources} for node in self.of_loads(traced, self.kg)}
        answers = {
            "throughput_mw": lambda: self.by_node(traced.throughput, self.mw),
            "nodal_intensity_kg_per_mwh": lambda: self.intensities(traced, self.kg),
            "load_carbon_kg_per_h": lambda: self.of_loads(traced, self.kg),
            "total_load_carbon_kg_per_h": lambda: Fraction(int(traced.withdrawn_carbon.sum())) / self.kg,
            "total_loss_carbon_kg_per_h": lambda: Fraction(int(traced.lost.sum())) / self.kg,
            "total_generation_carbon_kg_per_h": lambda: Fraction(sum(self.carbon)) / self.kg,
        }
        return answers[key]()

    def lost_on_the_way(self) -> Fraction:
        """Part of the generators' carbon that is found nowhere: not in loads, losses, or what a node has too much or too little."""
        traced, brought = self.traced, sum(self.carbon)
        found = sum(int(a.sum()) for a in (traced.withdrawn_carbon, traced.lost, traced.imbalance_carbon, traced.untraced))
        wanted = sum(g[1] * g[2] for g in self.generation)
        return abs(found - wanted * self.kg) / (wanted * self.kg) if wanted else Fraction(abs(found - brought))


def _unit(total: Fraction | int) -> Fraction:
    """Power of ten by which `total` fills ROOM."""
    return Fraction(10) ** math.floor(math.log10(ROOM / total)) if total else Fraction(1)


def _problems(grid: Grid, expected: Values, tolerance: Values) -> Iterator[str]:
    recomputed = float(tolerance.get("recomputed_abs", RECOMPUTED_ABS))
    published = tolerance.get("published_abs") or {}
    for key, value in expected.items():
        if key != "published":
            yield from _compared(grid, key, key, value, recomputed)
    for key, value in (expected.get("published") or {}).items():
        yield from _compared(grid, key, f"published.{key}", value, published.get(key))
    limit = float(tolerance.get("conservation_rel", CONSERVATION_REL))
    if grid.lost_on_the_way() > limit:
        yield f"conservation\n    expected at most {limit}\n    got      {float(grid.lost_on_the_way())}"


def _compared(grid: Grid, key: str, path: str, expected: object, tolerance: float | None) -> Iterator[str]:
    try:
        got = grid.answer(key, expected)
    except KeyError:
        yield f"expected.{path}: this runner does not know the key"
        return
    for place, e, g in _differences(expected, got, path, tolerance):
        yield f"{place}\n    expected {show(e)}\n    got      {show(float(g) if isinstance(g, Fraction) else g)}"


def _differences(expected: object, got: object, path: str, tolerance: float | None) -> Iterator[tuple[str, object, object]]:
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        for key, value in expected.items():
            yield from _differences(value, got.get(str(key)), f"{path}.{key}", tolerance)
    elif isinstance(expected, (int, float)) and isinstance(got, Fraction):
        limit = _last_digit(expected) if tolerance is None else tolerance
        if not abs(exact(expected) - got) <= limit + abs(float(expected)) * 4 * 2.0**-53:
            yield path, expected, got
    elif expected is not None or got is not None:
        yield path, expected, got


def _last_digit(value: float | int) -> float:
    """A bit more than half a unit of the last digit that a published figure shows."""
    return 0.51 * 10.0 ** -len(str(value).partition(".")[2].removesuffix("0")) if "e" not in str(value) else RECOMPUTED_ABS
