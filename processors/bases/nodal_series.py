"""The series of the nodal basis: one of each kind for every node, edge, source, storage and company of the network."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from zonepulse.processors.accounting.series import NODE_INTENSITY, OTHER, SeriesTable
from zonepulse.processors.network.topology import Ints
from zonepulse.schemas.registry.model import Network


@dataclass(slots=True)
class NodalSeries:
    """Numbers of the nodal series; arrays by node (`load`: by node that has a site), edge, source, pair, storage or grid source."""

    intensity: Ints
    load: Ints
    imbalance: Ints
    untraced: Ints
    flow: Ints
    flow_back: Ints
    loss: Ints
    source: Ints
    unmetered: Ints
    charge: Ints
    storage: Ints
    adjustment: Ints
    written_off: Ints
    export: Ints
    company: Ints
    whole: Ints
    residual: int


def places(names: Iterable[str]) -> dict[str, int]:
    """Each name once, in order of appearance, with its place."""
    return {name: i for i, name in enumerate(dict.fromkeys(names))}


def make_series(
    series: SeriesTable, zone: str, network: Network, pairs: Sequence[tuple[str, str]], companies: Iterable[str]
) -> NodalSeries:
    """Number the series; `pairs` are the (company, node) that have a site."""
    stores = [s.id for s in network.sources if s.kind == "storage"]
    grids = [s.id for s in network.sources if s.kind == "grid_import"]
    edges, sources = [e.id for e in network.edges], [s.id for s in network.sources]
    companies = list(companies)

    def add(entity_kind: str, entities: Iterable[str], scope: int = 0, carrier: str = "electricity", kind: int = OTHER) -> Ints:
        return np.array([series.add(kind, entity_kind, e, carrier, scope, "nodal") for e in entities], np.int64)

    return NodalSeries(
        intensity=add("zone", network.nodes, kind=NODE_INTENSITY),
        load=add("load", places(node for _, node in pairs)),
        imbalance=add("imbalance", network.nodes),
        untraced=add("untraced", network.nodes),
        flow=add("flow", edges),
        flow_back=add("flow_back", edges),
        loss=add("loss", edges),
        source=add("source", sources),
        unmetered=add("unmetered", (f"{company}@{node}" for company, node in pairs)),
        charge=add("charge", stores),
        storage=add("storage", stores),
        adjustment=add("storage_adjustment", stores),
        written_off=add("loss", stores),
        export=add("export", grids),
        company=add("company", companies, 2),
        whole=add("company", companies, 2, ""),
        residual=series.add(OTHER, "residual", zone, "electricity", 0, "nodal") if network.nodes else -1,
    )
