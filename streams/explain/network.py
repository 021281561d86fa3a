"""What the network solve says of one window: a company's nodes, and upstream of them every node that its energy came through."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final, NamedTuple

from zonepulse.schemas.registry.model import Edge, Registry, Source

Row = dict[str, Any]
NODES: Final = 50
"""More upstream nodes than these are counted, not shown."""
_NOTHING: Final[Row] = {"energy_micro": None, "co2e_mg": None}


class NodalRows(NamedTuple):
    """The nodal rows of a window: by (entity_kind, entity), and nodes by id; `grid_factor` is what grid import was valued with."""

    start_ms: int
    lines: Mapping[tuple[str, str], Row]
    nodes: Mapping[str, Row]
    grid_factor: Row | None

    def line(self, kind: str, entity: str) -> Row:
        """Energy and carbon of a line, None in both where it has no row."""
        row = self.lines.get((kind, entity), _NOTHING)
        return {"energy_micro": row["energy_micro"], "co2e_mg": row["co2e_mg"], "g_per_kwh": _g_per_kwh(row)}


def network_of(registry: Registry, company: str, rows: NodalRows, use: Mapping[str, int | None]) -> Row:
    """The company's nodes and those upstream; `why` where the network says nothing of the company or the window.

    `use` is what the company's registers at each of its nodes add up to (micro-kWh), None where none is covered.
    """
    network = registry.network
    at = list(dict.fromkeys(s.node for s in registry.sites if s.company == company and s.node in network.nodes))
    why = None
    if not network.nodes:
        why = "the zone has no network"
    elif not at:
        why = f"no site of {company} is at a node of the network"
    elif not rows.nodes:
        why = "the network was not solved in this window: none of its registers has an interval row"
    edges = [e for e in network.edges if e.valid_from_ms <= rows.start_ms < e.valid_to_ms]
    order = upstream(at, edges, rows)
    residual = rows.line("residual", registry.zone.id)["co2e_mg"]
    return {
        "why": why,
        "company_uses": [{"node": node, **_use(use.get(node), rows.nodes.get(node, _NOTHING))} for node in at],
        "nodes": [_node(node, edges, registry, rows) for node in order[:NODES]] if rows.nodes else [],
        "nodes_not_shown": max(0, len(order) - NODES),
        "residual_mg": residual,
        "grid_factor": rows.grid_factor,
    }


def _use(energy_micro: int | None, node: Row) -> Row:
    """The company's share of what came to a node: as much of its carbon as of its energy."""
    through, carbon = node["energy_micro"], node["co2e_mg"]
    mg = None if energy_micro is None or not through or carbon is None else round(Fraction(energy_micro) * carbon / through)
    return {"energy_micro": energy_micro, "co2e_mg": mg, "g_per_kwh": _g_per_kwh(node)}


def upstream(at: list[str], edges: list[Edge], rows: NodalRows) -> list[str]:
    """The nodes and those whose energy reached them in the window, nearest first."""
    order = list(at)
    for node in order:
        for far, _, row in inflows(node, edges, rows):
            if row["energy_micro"] and far not in order:
                order.append(far)
    return order


def inflows(node: str, edges: list[Edge], rows: NodalRows) -> list[tuple[str, str, Row]]:
    """(node it comes from, edge, energy and carbon) of both directions."""
    forward = [(e.from_node, e.id, rows.line("flow", e.id)) for e in edges if e.to_node == node]
    return forward + [(e.to_node, e.id, rows.line("flow_back", e.id)) for e in edges if e.from_node == node]


def _node(node: str, edges: list[Edge], registry: Registry, rows: NodalRows) -> Row:
    sources = [s for s in registry.network.sources if s.node == node]
    companies = dict.fromkeys(s.company for s in registry.sites if s.node == node)
    row = rows.nodes.get(node, {})
    return {
        "node": node,
        **{name: row.get(name) for name in ("energy_micro", "co2e_mg", "g_per_kwh", "estimated_share", "covered_ms", "expected_ms")},
        "why": _why(row),
        "edges_in": [{"edge": e, "from": far, **amount, "loss": rows.line("loss", e)} for far, e, amount in inflows(node, edges, rows)],
        "sources": [{"source": s.id, "kind": s.kind, **rows.line("source", s.id)} for s in sources],
        "unmetered": [{"company": c, **amount} for c in companies if (amount := rows.line("unmetered", f"{c}@{node}"))["energy_micro"]],
        "storages": [_storage(s, rows) for s in sources if s.kind == "storage"],
        "load": rows.line("load", node),
        "imbalance": rows.line("imbalance", node),
        "untraced": rows.line("untraced", node),
    }  # fmt: skip


def _storage(source: Source, rows: NodalRows) -> Row:
    """What it holds after the window, and what moved it."""
    kinds = {
        "held": "storage",
        "charge": "charge",
        "discharge": "source",
        "written_off": "loss",
        "adjustment": "storage_adjustment",
    }
    lines = {name: rows.line(kind, source.id) for name, kind in kinds.items()}
    return {"source": source.id, "method": source.method, "efficiency": float(source.efficiency), **lines}


def _why(row: Row) -> str | None:
    if not row:
        return "no nodal row of this node in the window"
    if row["energy_micro"] is None or row["co2e_mg"] is None:
        return "unknown: an inflow or a source of it is not covered, has no factor, or comes from an unknown node"
    return None if row["g_per_kwh"] is not None else "nothing flowed through it: no intensity"


def _g_per_kwh(row: Row) -> float | None:
    energy, carbon = row["energy_micro"], row["co2e_mg"]
    return None if not energy or carbon is None else 1000 * carbon / energy
