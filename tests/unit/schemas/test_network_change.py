"""What may change of the network, contracts and entries while the zone runs: nothing that closed windows were booked with."""

import pytest
from zones import zone

from zonepulse.schemas.checks.changes import check_applicable, diff
from zonepulse.schemas.registry.model import Registry

CLOSED_MS = 1_767_232_800_000  # 2026-01-01T10:00:00+08:00
NOW = '"2026-01-01T10:00:00+08:00"'
METERS = """\
  - {id: G, site: s, role: boundary,
     registers: {i: {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 9}}}
  - {id: P, site: s3, role: generation,
     registers: {g: {carrier: electricity, direction: generation, kind: cumulative, unit: kWh, max_power: 9}}}
"""
NETWORK = """\
network:
  nodes: [n, k]
  edges:
    - {id: e, from: n, to: k, meter_to: M}
    - {id: f, from: n, to: k, meter_from: M}
  sources:
    - {node: n, kind: grid_import, meter: G}
    - {node: k, kind: pv, meter: P}
"""
SITE = ("  - {id: s2, company: b}\n", "  - {id: s2, company: b}\n  - {id: s3, company: b, node: k}\n")
CONTRACTS = """\
contracts:
  - {id: c, company: a, kind: ppa, mwh: 5, valid_from: 2026-01-01, valid_to: 2027-01-01}
  - {id: d, company: a, kind: ppa, valid_from: 2026-01-01, valid_to: 2028-01-01, hourly: {from: 2026-01-01, step: 5h, values: [1, 2, 3]}}
"""
WELDING = "factors:\n  - {id: w, activity: 'process:w', company: a, value: %s, unit: kgCO2/kg, valid_from: 2020-01-01, source: x}\n"
ENTRIES = "entries:\n  - {id: x, company: a, carrier: 'process:w', kg: 1, at: %s, by: Li, reason: weighed}\n"


def network(*changes: tuple[str, str]) -> Registry:
    text = METERS + NETWORK
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return zone(SITE, more=text)


def contracts(*changes: tuple[str, str]) -> Registry:
    text = CONTRACTS
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return zone(more=text)


def paths(old: Registry, new: Registry) -> list[str]:
    return [p.path for p in check_applicable(old, new, CLOSED_MS)]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("meter_to: M", "meter_from: M", ["network.edges.e"]),
        ("{id: f, from: n", f"{{id: f, valid_from: {NOW}, from: n", ["network.edges.f"]),
        ("{id: f, from: n", f"{{id: f, valid_to: {NOW}, from: n", []),
        ("  sources:", f"    - {{id: g, from: k, to: n, meter_to: M, valid_from: {NOW}}}\n  sources:", []),
        ("  sources:", "    - {id: g, from: k, to: n, meter_to: M}\n  sources:", ["network.edges.g"]),
        ("kind: pv", "kind: chp", ["network.sources.P"]),
        ("nodes: [n, k]", "nodes: [k, n]", ["network.nodes"]),
        ("nodes: [n, k]", "nodes: [n, k, unused]", []),
    ],
)
def test_the_network_of_closed_windows_cannot_change(old: str, new: str, found: list[str]) -> None:
    assert paths(network(), network((old, new))) == found


def test_a_network_begins_with_what_is_metered_from_now_on() -> None:
    (problem,) = check_applicable(zone(SITE, more=METERS), network(), CLOSED_MS, file="new.yaml")
    assert str(problem) == (
        "new.yaml: network: adds flow tracing to closed windows; let its meters have versions from 2026-01-01T10:00:00+08:00 on, at"
        " sites of their own with nodes, or restate the past: `zonepulse replay plan --registry new.yaml --from TIME --to TIME`"
    )
    assert paths(network(), zone(SITE, more=METERS))
    empty = (SITE[0], "  - {id: s2, company: b}\n  - {id: s3, company: b, node: later}\n")
    later = METERS.replace("max_power: 9}}}", f"max_power: 9}}}}, valid_from: {NOW}}}").replace("site: s,", "site: s3,")
    text = (
        later
        + "network:\n  nodes: [later]\n  sources: [{node: later, kind: grid_import, meter: G}, {node: later, kind: pv, meter: P}]\n"
    )
    assert paths(zone(("node: n}", "node: null}"), empty), zone(("node: n}", "node: null}"), empty, more=text)) == []


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("mwh: 5", "mwh: 6", ["contracts.c"]),
        ("id: c,", "id: c, ef: 0.1,", ["contracts.c"]),
        ("id: c,", "id: c, evidence: no 7,", []),
        ("valid_to: 2027-01-01", f"valid_to: {NOW}", []),
        ("valid_to: 2027-01-01", 'valid_to: "2026-01-01T09:45:00+08:00"', ["contracts.c"]),
        ("valid_to: 2027-01-01", "valid_to: 2029-01-01", ["contracts.c", "contracts.d"]),  # d is drawn on before c then
        ("[1, 2, 3]", "[1, 2, 4]", []),
        ("[1, 2, 3]", "[1, 3, 3]", ["contracts.d"]),
        ("id: c,", "id: z,", ["contracts.c", "contracts.d", "contracts.z"]),
    ],
)
def test_what_closed_windows_were_matched_with_cannot_change(old: str, new: str, found: list[str]) -> None:
    assert sorted(paths(contracts(), contracts((old, new)))) == found


def test_a_contract_may_begin_now() -> None:
    later = ("contracts:\n", f"contracts:\n  - {{id: n, company: a, kind: ppa, mwh: 1, valid_from: {NOW}, valid_to: 2030-01-01}}\n")
    assert paths(contracts(), contracts(later)) == []
    assert diff(contracts(), contracts(later)) == ["+ contracts n"]


def test_an_entry_belongs_to_a_window_that_is_open() -> None:
    def entered(at: str, kg: str = "1") -> Registry:
        return zone(more=WELDING % kg + ENTRIES % at)

    bare = zone(more=WELDING % "1")
    assert paths(bare, entered(NOW)) == []
    (problem,) = check_applicable(bare, entered('"2026-01-01T09:59:00+08:00"'), CLOSED_MS)
    assert (problem.path, problem.what) == ("entries.x", "is added, removed or altered in closed windows")
    assert problem.remedy.startswith(
        "let `at` be 2026-01-01T10:00:00+08:00 or later and keep the true time in `occurred`, or restate"
    )
    assert paths(entered("2025-12-01"), bare) == ["entries.x"]
    assert paths(entered("2025-12-01"), entered("2025-12-01", kg="2")) == ["factors"]
    assert paths(entered(NOW), entered(NOW, kg="2")) == []


def test_the_residual_mix_of_closed_windows_cannot_change() -> None:
    mix = "factors:\n  - {id: mix, activity: grid_electricity, company: a, basis: market_residual, value: 0.7, unit: kgCO2/kWh,"
    (problem,) = check_applicable(zone(), zone(more=mix + " valid_from: 2025-01-01, source: x}\n"), CLOSED_MS)
    assert problem.what == "the residual factor of electricity (kWh) for a changes in closed windows"
    assert paths(zone(), zone(more=f"{mix} valid_from: {NOW}, source: x}}\n")) == []


def test_another_days_knowledge_changes_closed_windows() -> None:
    assert "factors" in paths(zone(), zone(("id: z,", "id: z, factors_as_of: 2025-12-30,")))


def test_every_change_of_the_network_is_a_line() -> None:
    new = network(("meter_to: M", "meter_from: M"), ("nodes: [n, k]", "nodes: [n, k, m]"), ("kind: pv", "kind: chp"))
    assert diff(network(), new) == ["+ network.nodes m", "~ network.edges e", "~ network.sources P"]
