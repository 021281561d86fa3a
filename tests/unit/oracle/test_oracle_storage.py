"""The oracle's storages carry carbon from window to window, to the last milligram."""

from fractions import Fraction
from typing import Any

import pytest
from network_zones import Energies, meter, nodal, tables, unbalanced, zone
from network_zones import log as sent

from zonepulse.oracle.network.storage import Amount, Inventory, share
from zonepulse.oracle.zone.registry import Source

KWH = 1_000_000
SITES = {"point": (None, "n0"), "works": ("c1", "n0")}
METERS = [
    meter("grid", "point", "boundary", "import"),
    meter("a", "works", "main", "import"),
    meter("bat", "works", "storage", "charge", "discharge"),
]


def text(method: str = "average", **source: Any) -> str:
    battery = {"id": "b", "node": "n0", "kind": "storage", "meter": "bat", "method": method, "efficiency": 0.9, **source}
    network = {"nodes": ["n0"], "edges": [], "sources": [{"node": "n0", "kind": "grid_import", "meter": "grid"}, battery]}
    return zone(METERS, SITES, network=network)


def window(grid: float | None = 0, charge: float | None = 0, discharge: float | None = 0) -> Energies:
    """What is not charged is used."""
    return {("grid", "import"): grid, ("a", "import"): grid, ("bat", "charge"): charge, ("bat", "discharge"): discharge}


@pytest.mark.parametrize("method", ["average", "fifo"])
def test_half_of_what_was_charged_comes_back_with_half_of_its_carbon(method: str) -> None:
    log = sent(window(10, charge=10), window(discharge=4.5), window(discharge=4.5), window())
    found = tables(text(method), log, 120)
    rows = nodal(found)
    assert rows[0]["charge", "b"] == (10 * KWH, 5 * KWH)
    assert rows[0]["storage", "b"] == (9 * KWH, 5 * KWH)
    assert rows[1]["source", "b"] == (4_500_000, 2_500_000)
    assert rows[1]["company", "c1"] == (4_500_000, 2_500_000)
    assert rows[2]["source", "b"] == (4_500_000, 2_500_000)
    assert [rows[i]["storage", "b"] for i in (1, 2, 3)] == [(4_500_000, 2_500_000), (0, 0), (0, 0)]
    assert all(("storage_adjustment", "b") not in rows[i] for i in rows)
    assert unbalanced(found) == {}


def test_fifo_gives_the_oldest_first_and_average_a_mix() -> None:
    old, new = Amount(10, 100), Amount(10, 900)
    fifo, average = (Inventory(method).charge(old)[0].charge(new)[0] for method in ("fifo", "average"))
    assert fifo.discharge(15)[1] == 100 + 450
    assert average.discharge(15)[1] == 750
    assert fifo.discharge(15)[0].total == Amount(5, 450)
    assert average.discharge(25) == (Inventory("average"), 1000)


def test_next_to_nothing_is_written_off() -> None:
    log = sent(window(10, charge=10), window(discharge=8.9995), window())
    rows = nodal(tables(text(), log, 90))
    assert rows[1]["loss", "b"] == (500, 5_000_000 - 4_999_722)
    assert rows[1]["storage", "b"] == (0, 0)
    assert rows[2]["loss", "b"] == (0, 0)


def test_a_storage_begins_with_what_it_is_said_to_hold() -> None:
    rows = nodal(tables(text(initial={"kwh": 2, "g_per_kwh": 300}), sent(window(discharge=1)), 60))
    assert rows[0]["source", "b"] == (KWH, 300_000)
    assert rows[0]["storage", "b"] == (KWH, 300_000)


def test_a_late_reading_within_lateness_changes_the_chain() -> None:
    log = sent(window(10, charge=None), window(discharge=4.5), window(), late={(0, "bat", "charge"): (10, 40)})
    rows = nodal(tables(text(), log, 120))
    assert rows[1]["source", "b"] == (4_500_000, 2_500_000)
    assert rows[2]["storage", "b"] == (4_500_000, 2_500_000)


def test_a_settled_window_keeps_what_it_handed_on_and_books_the_difference_now() -> None:
    """The first window settles at 00:45. What a register of the grid advanced since midnight becomes known at 01:20."""
    grid = meter("grid", "point", "boundary", "import", kind="cumulative")
    node = {"node": "n0", "kind": "storage", "meter": "bat", "id": "b", "efficiency": 0.9}
    network = {"nodes": ["n0"], "edges": [], "sources": [{"node": "n0", "kind": "grid_import", "meter": "grid"}, node]}
    zone_yaml = zone([grid, *METERS[1:]], SITES, network=network)
    still: Energies = {("a", "import"): 10, ("bat", "charge"): 10, ("bat", "discharge"): 0}
    log = sent(
        still, *([{**still, ("bat", "charge"): 0}] * 4), late={(-1, "grid", "import"): (0, 0), (4, "grid", "import"): (50, 80)}
    )
    before, after = (tables(zone_yaml, log[: -1 if early else None], 79 if early else 90) for early in (True, False))
    assert nodal(before)[0]["charge", "b"] == (10 * KWH, None)
    rows = nodal(after)
    assert rows[0]["charge", "b"] == (10 * KWH, 5 * KWH)
    assert rows[0]["storage", "b"] == (9 * KWH, 0)
    assert {i: r["storage_adjustment", "b"] for i, r in rows.items() if ("storage_adjustment", "b") in r} == {3: (0, 5 * KWH)}
    assert rows[3]["storage", "b"] == rows[4]["storage", "b"] == (9 * KWH, 5 * KWH)
    assert unbalanced(after) == {}


def test_adjustments_are_floored_and_loose_carbon_finds_a_lot() -> None:
    lots = Inventory("fifo", (Amount(5, 50), Amount(5, 90)))
    assert lots.adjust(Amount(-6, 0)) == (Inventory("fifo", (Amount(4, 140),)), 0)
    assert lots.adjust(Amount(0, 7)) == (Inventory("fifo", (Amount(5, 57), Amount(5, 90))), 0)
    assert lots.adjust(Amount(3, -60)) == (Inventory("fifo", (Amount(5, 0), Amount(5, 80), Amount(3, 0))), 0)
    assert lots.adjust(Amount(-20, 5)) == (Inventory("fifo"), 145)
    assert Inventory("average", (Amount(5, 50),)).adjust(Amount(-9, 1)) == (Inventory("average", (Amount(0, 51),)), 0)


def test_a_settled_discharge_is_valued_by_its_pair() -> None:
    assert share(Amount(9, 500), 9) == 500
    assert share(Amount(9, 500), 4) == 222
    assert share(Amount(0, 500), 4) == 0


def test_the_initial_inventory_is_one_lot() -> None:
    source = Source("b", "n", "storage", "m", "fifo", Fraction(1), 2 * KWH, 600)
    assert Inventory.initial(source).lots == (Amount(2 * KWH, 600),)
