"""The network, contracts and entries of zone.yaml: what is read, and what is refused with its remedy."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zones import zone

from zonepulse.schemas.factors.series import end_ms, micro_values, spans
from zonepulse.schemas.problems import RegistryError
from zonepulse.schemas.registry.model import ALWAYS, FOREVER, Contract, Edge, Entry, Series, Source

START_MS = 1_767_196_800_000  # 2026-01-01T00:00+08:00
HOUR_MS = 3_600_000
METERS = """\
  - {id: G, site: s, role: boundary,
     registers: {i: {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 9}}}
  - {id: P, site: s3, role: generation,
     registers: {g: {carrier: electricity, direction: generation, kind: cumulative, unit: kWh, max_power: 9}}}
  - {id: B, site: s3, role: storage,
     registers: {c: {carrier: electricity, direction: charge, kind: cumulative, unit: kWh, max_power: 9}}}
"""
NETWORK = """\
network:
  nodes: [n, k]
  edges:
    - {id: e, from: n, to: k, meter_to: M}
  sources:
    - {node: n, kind: grid_import, meter: G}
    - {node: k, kind: pv, meter: P}
    - {id: cell, node: k, kind: storage, meter: B, method: fifo, efficiency: 0.9, initial: {kwh: 2.5, g_per_kwh: 400}}
"""
SITE = ("  - {id: s2, company: b}\n", "  - {id: s2, company: b}\n  - {id: s3, company: b, node: k}\n")
CONTRACT = "id: c, company: a, kind: ppa, valid_from: 2026-01-01, valid_to: 2027-01-01"
ENTRY = "id: leak, company: a, carrier: 'process:welding', kg: 1.5, at: 2026-03-04, by: Li, reason: cylinder weighed"
WELDING = (
    "factors:\n  - {id: w, activity: 'process:welding', company: a, value: 1, unit: kgCO2/kg, valid_from: 2020-01-01, source: x}\n"
)


def network(*changes: tuple[str, str]) -> str:
    text = METERS + NETWORK
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def refusal(more: str) -> list[str]:
    with pytest.raises(RegistryError) as error:
        zone(SITE, more=more)
    return [line.split(": ", 1)[1] for line in str(error.value).splitlines()]


def test_a_network_is_read_whole() -> None:
    found = zone(SITE, more=network()).network
    assert found.nodes == ("n", "k")
    assert found.edges == (Edge("e", "n", "k", "", "M", ALWAYS, FOREVER),)
    assert found.sources == (
        Source("G", "n", "grid_import", "G"),
        Source("P", "k", "pv", "P"),
        Source("cell", "k", "storage", "B", "fifo", Fraction(9, 10), 2_500_000, 1_000_000),
    )


def test_an_edge_may_begin_and_end() -> None:
    (edge,) = zone(SITE, more=network(("meter_to: M", "meter_to: M, valid_from: 2026-01-01, valid_to: 2026-01-02"))).network.edges
    assert (edge.valid_from_ms, edge.valid_to_ms) == (START_MS, START_MS + 24 * HOUR_MS)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (", meter_to: M", "", "network.edges[0]: has no meter; name what measures it"),
        ("to: k", "to: n", "network.edges[0].to: 'n' is also where it begins"),
        ("meter_to: M", "meter_to: P", "network.edges[0].meter_to: 'P' has no electricity register of direction import or export"),
        ("from: n", "from: kk", "network.edges[0].from: unknown node 'kk'; did you mean `k`?"),
        (
            "meter_to: M",
            'meter_to: M, valid_from: "2026-01-01T00:01Z"',
            "network.edges[0].valid_from: 2026-01-01T08:01:00+08:00 is",
        ),
        (
            "kind: pv",
            "kind: grid_import",
            "network.sources[1].kind: grid_import does not fit 'P', a generation meter; write kind: pv,",
        ),
        ("kind: pv", "kind: solar", "network.sources[1].kind: 'solar' is none of grid_import, pv,"),
        ("meter: G}", "meter: M}", "network.sources[0].kind: grid_import does not fit 'M', a main meter; name a meter of role"),
        ("meter: G}", "meter: G, method: fifo}", "network.sources[0].method: belongs to storages, not to grid_import"),
        ("id: cell", "id: e", "network.sources[2].id: 'e' stands twice, first on line"),
        ("efficiency: 0.9", "efficiency: 90", "network.sources[2].efficiency: '90' is no part of a whole; write what there is"),
        ("kwh: 2.5", "kwh: -1", "network.sources[2].initial: is negative"),
        ("{node: k, kind: pv, meter: P}", "{id: G, node: k, kind: pv, meter: P}", "network.sources[1].id: 'G' stands twice"),
        (
            "    - {node: k, kind: pv, meter: P}\n",
            "",
            "meters[2].id: 'P' feeds node 'k' and is no source of the network; add {node",
        ),
        (
            "node: k, kind: pv",
            "node: n, kind: pv",
            "network.sources[1].node: 'P' stands at node 'k', by its site 's3'; write node: k",
        ),
        ("meter: G}", "meter: G, valid_from: 2026-01-01}", "unknown key; a source is valid as long as its meter"),
    ],
)
def test_a_mistake_in_the_network_is_told_with_its_remedy(old: str, new: str, message: str) -> None:
    lines = refusal(network((old, new)))
    assert any(message in line for line in lines), lines


def test_a_meter_is_a_source_once() -> None:
    twice = network(
        (
            "    - {node: k, kind: pv, meter: P}\n",
            "    - {node: k, kind: pv, meter: P}\n    - {id: q, node: k, kind: chp, meter: P}\n",
        )
    )
    (line,) = refusal(twice)
    assert "network.sources[2].meter: 'P' is a source already, on line" in line


def test_meters_outside_the_network_need_no_source() -> None:
    assert zone(SITE, more=METERS).network.sources == ()
    assert zone(
        (SITE[0], SITE[1].replace(", node: k", "")),
        more=METERS + "network:\n  nodes: [n]\n  sources: [{node: n, kind: grid_import, meter: G}]\n",
    )


def test_contracts_are_volumes_or_profiles() -> None:
    volume, profile = zone(
        more=f"contracts:\n  - {{{CONTRACT}, mwh: 500.5, evidence: no 7}}\n"
        f"  - {{{CONTRACT.replace('id: c', 'id: d')}, ef: 0.0405, hourly: {{from: 2026-01-01, step: 1h, values: [1, null, 2.5]}}}}\n"
    ).contracts
    end_of_year = START_MS + 365 * 24 * HOUR_MS
    assert volume == Contract("c", "a", "ppa", 500_500_000_000, None, START_MS, end_of_year, 0, "no 7")
    series = Series(START_MS, HOUR_MS, (Fraction(1), None, Fraction(5, 2)))
    assert profile == Contract("d", "a", "ppa", 3_500_000, None, START_MS, end_of_year, 40_500, "", series)
    assert micro_values(series) == (1_000_000, 0, 2_500_000)


@pytest.mark.parametrize(
    ("contract", "message"),
    [
        (
            f"{CONTRACT.replace('id: c', 'id: grid-cn-loc-2023')}, mwh: 1",
            "contracts[0].id: 'grid-cn-loc-2023' is a factor's; give it",
        ),
        (CONTRACT, "contracts[0]: needs exactly one of `mwh` and `hourly`"),
        (f"{CONTRACT}, mwh: 1, hourly: {{from: 2026-01-01, step: 1h, values: [1]}}", "needs exactly one of `mwh` and `hourly`"),
        (f"{CONTRACT}, mwh: -1", "contracts[0].mwh: is negative"),
        (f"{CONTRACT}, mwh: 5000000000", "contracts[0]: covers more than can be counted in 64 bits"),
        (f"{CONTRACT}, mwh: 1, ef: -1", "contracts[0].ef: is negative"),
        (f"{CONTRACT.replace(', valid_to: 2027-01-01', '')}, mwh: 1", "contracts[0]: `valid_to` is missing"),
        (f"{CONTRACT.replace('a,', 'c,')}, mwh: 1", "contracts[0].company: unknown company 'c'"),
        (f"{CONTRACT.replace('ppa', 'rec')}, mwh: 1", "contracts[0].kind: 'rec' is none of gec, ppa"),
        (f"{CONTRACT.replace('ppa', 'gec')}, mwh: 1, vintage: 2027", "contracts[0].valid_from: a certificate of 2027 cannot cover"),
        (f"{CONTRACT}, hourly: {{from: 2026-01-01, step: 10m, values: [1]}}", "contracts[0].hourly.step: 600000 ms is no multiple"),
        (
            f"{CONTRACT}, hourly: {{from: 2026-01-01T00:01Z, step: 1h, values: [1]}}",
            "hourly.from: 2026-01-01T08:01:00+08:00 is no edge",
        ),
        (f"{CONTRACT}, hourly: {{from: 2026-01-01, step: 1h, values: [1, -2]}}", "contracts[0].hourly.values[1]: is negative"),
        (f"{CONTRACT}, hourly: {{from: 2026-01-01, step: 1h, values: []}}", "contracts[0].hourly.values: holds no values"),
    ],
)
def test_a_mistake_in_a_contract_is_told_with_its_remedy(contract: str, message: str) -> None:
    lines = refusal(f"contracts:\n  - {{{contract}}}\n")
    assert any(message in line for line in lines), lines


def test_a_certificate_of_the_year_may_begin_with_it() -> None:
    (contract,) = zone(more=f"contracts:\n  - {{{CONTRACT.replace('ppa', 'gec')}, mwh: 1, vintage: 2026}}\n").contracts
    assert contract.vintage == 2026


def test_an_entry_keeps_its_audit_trail() -> None:
    (entry,) = zone(more=f"{WELDING}entries:\n  - {{{ENTRY}, occurred: 2026-02-27, evidence: photo 12}}\n").entries
    at_ms = START_MS + 62 * 24 * HOUR_MS
    assert entry == Entry("leak", "a", "process:welding", 1_500_000, at_ms, "2026-02-27", "Li", "cylinder weighed", "photo 12")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (", by: Li", "", 'entries[0]: `by` is missing; add `by: "who entered it"`'),
        ("reason: cylinder weighed", 'reason: " "', "entries[0].reason: is empty"),
        ("process:welding", "diesel", "entries[0].carrier: 'diesel' cannot be entered; write refrigerant:R-410A or process:"),
        ("kg: 1.5", "kg: 0", "entries[0].kg: 0 kg is no amount"),
        ("company: a", "company: c", "entries[0].company: unknown company 'c'"),
        ("at: 2026-03-04", "at: soon", "entries[0].at: 'soon' is no time"),
        (", by", ", occurred: never, by", "entries[0].occurred: 'never' is no time"),
    ],
)
def test_a_mistake_in_an_entry_is_told_with_its_remedy(old: str, new: str, message: str) -> None:
    lines = refusal(f"{WELDING}entries:\n  - {{{ENTRY.replace(old, new)}}}\n")
    assert any(message in line for line in lines), lines


VALUES = st.lists(st.none() | st.integers(0, 3).map(Fraction), max_size=12).map(tuple)


@given(VALUES, st.integers(-5, 5), st.integers(1, 4))
def test_the_spans_of_a_series_are_its_steps_with_equal_neighbours_joined(
    values: tuple[Fraction | None, ...], first: int, step: int
) -> None:
    series = Series(first * HOUR_MS, step * HOUR_MS, values)
    found = list(spans(series))
    at = {t: v for start, end, v in found for t in range(start, end, HOUR_MS)}
    assert at == {series.first_ms + i * HOUR_MS: values[i // step] for i in range(len(values) * step)}
    assert all(a[1] == b[0] and a[2] != b[2] for a, b in pairwise(found))
    assert not found or found[-1][1] == end_ms(series)
