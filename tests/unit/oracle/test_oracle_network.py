"""The oracle traces carbon through a network as the published cases do, and loses none of it."""

import pytest
from network_zones import log as sent
from network_zones import meter, nodal, tables, unbalanced, zone

from zonepulse.oracle.network.tracing import Injection, Item, Trace

MW = 1_000_000
"""A published case in MW stands for micro-kWh."""


def published(
    flows: list[tuple[str, str, float, float]], generation: dict[str, tuple[float, int]], load: dict[str, float]
) -> Trace:
    """A network of Bialek, IEE Proc. GTD 143(4):313-320, 1996, in milli-units; intensities in mg per milli-unit."""
    names = ["1", "2", "3", "4"]
    injections = [Injection(node, round(p * MW), round(p * MW * g)) for node, (p, g) in generation.items()]
    items: list[Item] = []
    for start, end, p_send, p_recv in flows:
        items += [Item(start, round(p_recv * MW), to=end), Item(start, round(p_send * MW) - round(p_recv * MW))]
    items += [Item(node, round(p * MW)) for node, p in load.items()]
    return Trace(names, injections, items, set())


def intensities(trace: Trace) -> dict[str, float]:
    return {name: node.carbon / node.throughput for name, node in trace.nodes.items()}


def test_the_lossless_network_of_bialek() -> None:
    flows = [("1", "2", 59.5), ("1", "3", 221.5), ("1", "4", 113.5), ("2", "4", 172.0), ("4", "3", 82.5)]
    trace = published([(a, b, p, p) for a, b, p in flows], {"1": (394.5, 900), "2": (112.5, 400)}, {"3": 304.0, "4": 203.0})
    expected = {"1": 900.0, "2": 572.965116279, "3": 846.531650383, "4": 702.977232925}
    assert intensities(trace) == pytest.approx(expected, abs=1e-6)
    assert all(node.imbalance.weight == 0 for node in trace.nodes.values())


def test_the_lossy_network_of_bialek() -> None:
    flows = [
        ("1", "2", 60.0, 59.0),
        ("1", "3", 225.0, 218.0),
        ("1", "4", 115.0, 112.0),
        ("2", "4", 173.0, 171.0),
        ("4", "3", 83.0, 82.0),
    ]
    trace = published(flows, {"1": (400.0, 900), "2": (114.0, 400)}, {"3": 300.0, "4": 200.0})
    expected = {"1": 900.0, "2": 570.520231214, "3": 845.583447374, "4": 700.91505137}
    assert intensities(trace) == pytest.approx(expected, abs=1e-6)


def test_a_ring_is_solved_as_a_whole() -> None:
    into, ring, out = Injection("a", 1000, 900), [("a", "b", 1500), ("b", "c", 1500), ("c", "a", 500)], [Item("c", 1000)]
    trace = Trace(["a", "b", "c"], [into], [*(Item(s, p, to=e) for s, e, p in ring), *out], set())
    assert [node.throughput for node in trace.nodes.values()] == [1500, 1500, 1500]
    assert [node.carbon for node in trace.nodes.values()] == [1350, 1350, 1350]
    assert out[0].carbon == 900
    assert trace.residual == 0


def test_a_ring_without_a_source_is_unknown() -> None:
    items = [Item("a", 10, to="b"), Item("b", 10, to="a"), Item("a", 0, to="c")]
    trace = Trace(["a", "b", "c"], [Injection("c", 5, 5)], items, set())
    assert [node.is_unknown for node in trace.nodes.values()] == [True, True, False]


def test_what_a_node_gives_without_receiving_makes_the_ones_behind_it_unknown() -> None:
    items = [Item("a", 10, to="b"), Item("b", 4)]
    trace = Trace(["a", "b"], [Injection("b", 5, 7)], items, set())
    assert [node.is_unknown for node in trace.nodes.values()] == [True, True]
    assert (trace.nodes["b"].carbon, items[1].carbon) == (7, None)


METERS = [
    meter("grid", "point", "boundary", "import", "export"),
    meter("a", "works", "main", "import", "export"),
    meter("roof", "works", "generation", "generation"),
    meter("b", "shop", "main", "import"),
]
SITES = {"point": (None, "n0"), "works": ("c1", "n1"), "shop": ("c2", "n2")}
NETWORK = {
    "nodes": ["n0", "n1", "n2"],
    "edges": [
        {"id": "e1", "from": "n0", "to": "n1", "meter_to": "a"},
        {"id": "e2", "from": "n0", "to": "n2", "meter_to": "b"},
    ],
    "sources": [
        {"node": "n0", "kind": "grid_import", "meter": "grid"},
        {"id": "pv", "node": "n1", "kind": "pv", "meter": "roof"},
    ],
}


def test_solar_power_that_a_company_gives_back_makes_its_neighbours_cleaner() -> None:
    noon = {
        ("grid", "import"): 10,
        ("grid", "export"): 0,
        ("a", "import"): 0,
        ("a", "export"): 30,
        ("roof", "generation"): 50,
        ("b", "import"): 38,
    }
    found = tables(zone(METERS, SITES, network=NETWORK), sent(noon), 60)
    rows = nodal(found)[0]
    assert rows["source", "grid"] == (10_000_000, 5_000_000)
    assert rows["source", "pv"] == (50_000_000, 0)
    assert rows["flow_back", "e1"] == (30_000_000, 0)
    assert rows["flow", "e2"] == (38_000_000, 4_750_000)
    assert rows["load", "n1"] == (20_000_000, 0)
    assert rows["company", "c2"] == (38_000_000, 4_750_000)
    assert rows["imbalance", "n0"] == (2_000_000, 250_000)
    at_n0 = next(r for r in found["intensity"] if r["node"] == "n0")
    assert (at_n0["energy_micro"], at_n0["co2e_mg"], at_n0["g_per_kwh"]) == (40_000_000, 5_000_000, 125.0)
    assert unbalanced(found) == {}


def test_a_meter_that_is_silent_makes_unknown_what_lies_behind_it() -> None:
    noon = {("grid", "import"): 10, ("a", "import"): 4, ("a", "export"): 0, ("roof", "generation"): 0, ("b", "import"): 6}
    silent = {**noon, ("b", "import"): None}
    found = tables(zone(METERS, SITES, network=NETWORK), sent(noon, silent, noon), 90)
    rows = nodal(found)
    assert rows[0]["company", "c2"] == (6_000_000, 3_000_000)
    assert rows[1]["company", "c2"] == (None, None)
    assert rows[1]["flow", "e2"] == (None, None)
    assert rows[1]["load", "n1"] == (4_000_000, 2_000_000)
    assert rows[1]["imbalance", "n0"] == (6_000_000, 3_000_000)
    assert {row["energy_micro"] for row in found["intensity"] if row["node"] == "n2"} == {6_000_000, None}
    assert unbalanced(found) == {}


def test_two_meters_of_a_line_tell_what_it_loses() -> None:
    network = {**NETWORK, "edges": [{"id": "e", "from": "n0", "to": "n2", "meter_from": "grid", "meter_to": "b"}]}
    found = tables(
        zone(METERS, SITES, network=network), sent({("grid", "import"): 10, ("grid", "export"): 0, ("b", "import"): 9}), 60
    )
    rows = nodal(found)[0]
    assert rows["loss", "e"] == (1_000_000, 500_000)
    assert rows["load", "n2"] == (9_000_000, 4_500_000)
    assert unbalanced(found) == {}


def test_without_a_factor_the_network_is_not_known() -> None:
    text = zone(METERS, SITES, network=NETWORK, zone={"factor_regions": ["X"]})
    found = tables(text, sent({("grid", "import"): 10, ("b", "import"): 9}), 60)
    rows = nodal(found)[0]
    assert rows["source", "grid"] == (10_000_000, None)
    assert rows["company", "c2"] == (9_000_000, None)
    assert rows["untraced", "n0"] == (10_000_000, 0)
    assert unbalanced(found) == {}


def test_half_the_loss_of_an_edge_is_untraced_where_the_other_half_is_unknown() -> None:
    meters = [
        *METERS[:2],
        meter("roof", "works", "generation", "generation", ef=0.1),
        meter("feed", "point", "sub", "import", "export") | {"parent": "a"},
    ]
    network = {**NETWORK, "edges": [{"id": "e", "from": "n0", "to": "n1", "meter_from": "feed", "meter_to": "a"}]}
    forth = {("grid", "import"): 10, ("feed", "import"): 1, ("a", "import"): 0}
    back = {("roof", "generation"): 50, ("a", "export"): 10, ("feed", "export"): 9}
    found = tables(zone(meters, SITES, network=network, zone={"factor_regions": ["X"]}), sent({**forth, **back}), 60)
    rows = nodal(found)[0]
    assert rows["loss", "e"] == (2_000_000, None)
    assert rows["flow_back", "e"] == (9_000_000, 900_000)
    assert rows["untraced", "n0"] == (19_000_000, 900_000)
    assert rows["untraced", "n1"] == (0, 100_000)
    assert unbalanced(found) == {}
