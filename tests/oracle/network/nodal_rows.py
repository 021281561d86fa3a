"""The rows of a solved window of the network.

Decisions: no emission is told of energy that is not known. A row that sums several items knows its emission only if it knows all of
theirs. Of an unknown node, intensity and imbalance are null and `untraced` is what is known of what enters it. Where an edge loses in
both directions and only one sender is known, the row of its loss is null and what is known of it is `untraced` at that sender. A
storage's lost energy is its own: the carbon of sources is that of loads, edge losses, charges, exports, imbalances and untraced nodes.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from zonepulse.oracle.carbon.book import Book, TableRow
from zonepulse.oracle.carbon.sums import Part
from zonepulse.oracle.grid import Grid
from zonepulse.oracle.network.flows import Flow, Solved
from zonepulse.oracle.network.network import Metered
from zonepulse.oracle.network.nodal import State
from zonepulse.oracle.network.tracing import Item, Node
from zonepulse.oracle.zone.registry import Registry

_NOTHING = Metered(None, 0)


class Line(NamedTuple):
    """A row of `totals` without what all lines of a window have in common."""

    kind: str
    entity: str
    energy: int | None
    co2e_mg: int | None
    estimated: int = 0
    covered_ms: int = 0
    expected: int = 0
    carrier: str = "electricity"
    scope: int = 0


def lines(state: State, registry: Registry) -> Iterator[Line]:
    """All lines of `totals` but those of companies."""
    solved = state.solved
    assert solved is not None
    for given in solved.given:
        yield _line("source", given.inlet.source.id, given.metered, given.metered.value, given.carbon)
    for used in solved.used:
        value = used.metered.value
        yield Line("unmetered", f"{used.load.company}@{used.load.node}", None if value is None else max(0, -value), None)
    for taken in solved.taken:
        kind = "charge" if taken.inlet.source.kind == "storage" else "export"
        yield _line(kind, taken.inlet.source.id, taken.metered, taken.metered.value, taken.item.carbon)
    for name, turn in state.turns.items():
        yield Line("storage", name, *turn.after.total)
        yield Line("loss", name, *turn.lost)
        if turn.is_adjusted:
            yield Line("storage_adjustment", name, *turn.adjustment)
    for forward, back in zip(solved.forward, solved.back, strict=True):
        yield _flow("flow", forward)
        yield _flow("flow_back", back)
        yield _loss(forward, back)
    for name in registry.network.nodes:
        yield from _node_lines(name, solved, solved.trace.nodes[name], registry.policy.window_ms)
    yield Line("residual", registry.policy.zone, None, solved.trace.residual)


def company_lines(company: str, solved: Solved, heat: Part, grid: Grid) -> Iterator[Line]:
    """What a company's loads take, and all of its scope 2."""
    mine = [used for used in solved.used if used.load.company == company]
    metered = _NOTHING.plus(*(used.metered for used in mine))
    line = _sum("company", company, metered, [used.item for used in mine])
    yield line._replace(scope=2)
    known = [mg for mg in (line.co2e_mg, heat.co2e_mg) if mg is not None]
    covered_ms, expected = line.covered_ms + heat.sum.covered_ms, line.expected + heat.expected
    yield Line("company", company, None, sum(known) if known else None, 0, covered_ms, expected, "", 2)


def intensity(name: str, state: State, base: TableRow, grid: Grid) -> TableRow:
    """A node's row of `intensity`."""
    solved = state.solved
    assert solved is not None
    node = solved.trace.nodes[name]
    terms = [f.received for f in (*solved.forward, *solved.back) if f.way.receiver == name]
    terms += [g.metered for g in solved.given if g.inlet.source.node == name]
    entering = _NOTHING.plus(*terms)
    energy = None if node.is_unknown else node.throughput
    return base | {
        "node": name,
        "basis": "nodal",
        "energy_micro": energy,
        "co2e_mg": None if energy is None else node.carbon,
        "g_per_kwh": 1000 * node.carbon / energy if energy else None,
        "estimated_share": min(max(0, entering.estimated), energy) / energy if energy else 0.0,
        "covered_ms": entering.covered_ms,
        "expected_ms": entering.expected * grid.window_ms,
    }


def write(state: State, registry: Registry, book: Book, tick: int, heat_of: dict[str, Part]) -> bool:
    """Write what has changed; whether the residual has."""
    grid = Grid.of(registry.policy)
    said: dict[tuple[str, ...], Line] = {}
    assert state.solved is not None
    start_ms = grid.start_ms(state.number)
    base: TableRow = {"zone": registry.policy.zone, "start": start_ms, "length_s": grid.window_ms // 1000}
    found = [*lines(state, registry)]
    for company, heat in heat_of.items():
        found += company_lines(company, state.solved, heat, grid)
    for line in found:
        key = (line.kind, line.entity, line.carrier)
        said[key] = line
        if state.said.get(key) != line:
            book.write("totals", base | _columns(line, grid), tick)
    for name in registry.network.nodes:
        book.write("intensity", intensity(name, state, base, grid), tick)
    key = ("residual", registry.policy.zone, "electricity")
    is_changed = state.said.get(key) != said[key]
    state.said = said
    return is_changed


def _columns(line: Line, grid: Grid) -> TableRow:
    return {
        "entity_kind": line.kind,
        "entity": line.entity,
        "carrier": line.carrier,
        "scope": line.scope,
        "basis": "nodal",
        "energy_micro": line.energy,
        "co2e_mg": line.co2e_mg,
        "estimated_micro": line.estimated,
        "covered_ms": line.covered_ms,
        "expected_ms": line.expected * grid.window_ms,
    }


def _line(kind: str, entity: str, metered: Metered, energy: int | None, co2e_mg: int | None) -> Line:
    """A line over registers; estimated energy lies between 0 and the energy."""
    estimated = min(max(0, metered.estimated), max(0, energy or 0))
    return Line(kind, entity, energy, None if energy is None else co2e_mg, estimated, metered.covered_ms, metered.expected)


def _sum(kind: str, entity: str, metered: Metered, items: Iterable[Item]) -> Line:
    """A line of several loads."""
    all_of = list(items)
    energy = None if metered.value is None else sum(item.weight for item in all_of)
    return _line(kind, entity, metered, energy, _carbon(all_of))


def _carbon(items: list[Item]) -> int | None:
    found = [item.carbon for item in items]
    return None if None in found else sum(mg for mg in found if mg is not None)


def _flow(kind: str, flow: Flow) -> Line:
    return _line(kind, flow.way.edge, flow.received, flow.received.value, flow.delivered.carbon)


def _loss(forward: Flow, back: Flow) -> Line:
    lost = [flow.sent.minus(flow.received) for flow in (forward, back)]
    metered = lost[0].plus(lost[1])
    known = [flow.lost for flow in (forward, back) if flow.received.value is not None]
    energy = sum(item.weight for item in known) if known else None
    return _line("loss", forward.way.edge, metered, energy, _carbon([forward.lost, back.lost]))


def _node_lines(name: str, solved: Solved, node: Node, window_ms: int) -> Iterator[Line]:
    mine = [used for used in solved.used if used.load.node == name]
    if mine:
        yield _sum("load", name, _NOTHING.plus(*(used.metered for used in mine)), [used.item for used in mine])
    half_known = sum(_half_known_mg(name, *both) for both in zip(solved.forward, solved.back, strict=True))
    terms = _NOTHING.plus(*solved.terms_of(name))
    is_covered = terms.covered_ms == terms.expected * window_ms
    missing = node.imbalance.weight
    if node.is_unknown:
        is_known = node.throughput == 0 and missing < 0 and is_covered
        yield Line("imbalance", name, missing if is_known else None, None, 0, terms.covered_ms, terms.expected)
        yield Line("untraced", name, node.throughput, node.carbon + half_known)
    else:
        yield Line("imbalance", name, missing, node.imbalance.carbon, 0, terms.covered_ms, terms.expected)
        yield Line("untraced", name, 0, half_known)


def _half_known_mg(name: str, forward: Flow, back: Flow) -> int:
    """What is known of a node's loss on an edge whose loss the other way is not known."""
    if _carbon([forward.lost, back.lost]) is not None:
        return 0
    return sum(flow.lost.carbon or 0 for flow in (forward, back) if flow.way.sender == name)
