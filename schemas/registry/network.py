"""network: the zone's electricity network, for flow tracing. Its entities are in model.py."""

from fractions import Fraction
from typing import Final

from zonepulse.schemas.registry.model import ALWAYS, FOREVER, Edge, Network, Source
from zonepulse.schemas.registry.section import Field, Section
from zonepulse.schemas.tables.ddl import REGISTRY_EDGES, REGISTRY_NODES, REGISTRY_SOURCES

_NO_VALIDITY: Final = "a source is valid as long as its meter; give the meter a version that ends"
_STORAGE: Final = ("kind", "storage")

NODES: Final = Section("network.nodes", "node", str, identity=(), storage=REGISTRY_NODES)
EDGES: Final = Section(
    "network.edges",
    "edge",
    Edge,
    (
        Field("id", "id", need=True, column="edge"),
        Field("from", "id", need=True, of=NODES.name, column="from_node", called=("from_node",)),
        Field("to", "id", need=True, of=NODES.name, column="to_node", called=("to_node",)),
        Field(
            "meter_from",
            "id",
            "at the sending end; its `import` registers count what flows towards `to`, `export` what flows back",
            default="",
            of="meters",
        ),
        Field("meter_to", "id", "at the receiving end; a line has at least one of the two", default="", of="meters"),
        Field("valid_from", "start", "inclusive; absent: always", default=ALWAYS),
        Field("valid_to", "end", "exclusive; absent: for ever", default=FOREVER),
    ),
    storage=REGISTRY_EDGES,
    some_of=("meter_from", "meter_to"),
    missing=("has no meter", "name what measures it: `meter_from` at its sending end, `meter_to` at its receiving end, or both"),
)
SOURCES: Final = Section(
    "network.sources",
    "source",
    Source,
    (
        Field("id", "id", "absent: the meter's", default="", column="source", like="meter"),
        Field("node", "id", need=True, of=NODES.name),
        Field(
            "kind",
            "word",
            "grid_import: a boundary meter; pv, chp, generation; storage: meters of that role",
            need=True,
            words=("grid_import", "pv", "chp", "generation", "storage"),
        ),
        Field(
            "meter",
            "id",
            "every boundary, generation and storage meter of electricity at a node is one source",
            need=True,
            of="meters",
        ),
        Field(
            "method",
            "word",
            "how a storage hands out the carbon that it took in",
            default="average",
            words=("average", "fifo"),
            only_of=_STORAGE,
        ),
        Field(
            "efficiency",
            "part",
            "of a storage: energy that comes back of one unit, above 0, at most 1",
            default=Fraction(1),
            only_of=_STORAGE,
        ),
        Field(
            "initial",
            "stock",
            "what a storage holds when its records begin",
            default=(0, 0),
            called=("initial_micro", "initial_mg"),
            only_of=_STORAGE,
        ),
    ),
    hints={"valid_from": _NO_VALIDITY, "valid_to": _NO_VALIDITY},
    storage=REGISTRY_SOURCES,
)
NETWORK: Final = Section(
    "network",
    "network",
    Network,
    about={"": "the electricity network of the zone, for flow tracing"},
    parts=(NODES, EDGES, SOURCES),
)
