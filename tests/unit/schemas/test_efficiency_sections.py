"""The sections `efficiency_networks` and `weather`: read, published, compared, and what is refused."""

from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator
from zones import small

from zonepulse.schemas.checks.changes import diff
from zonepulse.schemas.documents.zone_schema import zone_schema
from zonepulse.schemas.problems import RegistryError
from zonepulse.schemas.registry.efficiency.networks import EFFICIENCY, Efficiency, current_members
from zonepulse.schemas.registry.efficiency.weather import WEATHER
from zonepulse.schemas.registry.sections import entities_of, whole_of
from zonepulse.schemas.registry.wire import from_entities, to_entities
from zonepulse.schemas.zone_file.read import parse_zone

NETWORK = """\
efficiency_networks:
  networks:
    - {id: taicang-1, name: {en: Taicang network}, begins: 2026-01-01, ends: 2028-12-31, moderator: M. Wu}
  members:
    - {network: taicang-1, company: a, joined: 2026-01-01}
    - {network: taicang-1, company: b, joined: 2026-01-01, left: 2027-01-01}
  targets:
    - {network: taicang-1, company: a, base_year: 2025, kwh_a: 250000, kg_a: 130000}
  measures:
    - id: led
      network: taicang-1
      company: a
      title: LED in hall 2
      technology: lighting
      status: implemented
      starts: 2026-03-01
      kwh_a: {electricity: 40000, natural_gas: -1500.5}
      kg_a: 21000
      factor_version: grid-cn-loc-2023, published 2025-12-31
      method: ipmvp_a
      investment_cny: 90000
      evidence: invoice 17
    - {id: heat-pump, network: taicang-1, company: a, title: Heat pump, status: planned, kwh_a: {heat: 1000}, method: deemed}
  static_changes:
    - {id: hall-3, company: a, on: 2026-07-01, what: hall 3 opened, by: L. Chen}
  reviews:
    - {id: review-a, network: taicang-1, company: a, on: 2026-02-03, by: K. Maier, evidence: report 4}
  snapshots: []
weather:
  - {id: station, source: "Taicang, 58377", temperature_c: {from: 2025-01-01, step: 1d, values: [3.5, null, -1]}}
"""


def problems(*changes: tuple[str, str]) -> list[str]:
    text = NETWORK
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(RegistryError) as error:
        parse_zone(small(more=text))
    return [f"{p.path}: {p.what}; {p.remedy}" for p in error.value.problems]


def test_it_is_read_exactly_and_survives_the_topic() -> None:
    registry = replace(parse_zone(small(more=NETWORK)), version=3)
    found: Efficiency = whole_of(registry, EFFICIENCY)
    led, pump = found.measures
    assert dict(led.kwh_a) == {"electricity": 40000, "natural_gas": -3001 / 2}
    assert (led.method, led.starts, pump.starts, pump.kg_a) == ("ipmvp_a", "2026-03-01", "", None)
    assert entities_of(registry, WEATHER)[0].temperature_c.values == (3.5, None, -1)
    assert from_entities(dict(to_entities(registry))) == registry


def test_a_zone_without_it_is_published_as_before() -> None:
    registry = replace(parse_zone(small()), version=3)
    assert not registry.more and not any("/efficiency/" in key for key, _ in to_entities(registry))
    assert whole_of(registry, EFFICIENCY) == Efficiency()


def test_changes_are_told_entity_by_entity() -> None:
    old = parse_zone(small(more=NETWORK))
    new = parse_zone(small(more=NETWORK.replace("kwh_a: 250000", "kwh_a: 260000").replace("id: led", "id: lamps")))
    assert diff(old, new) == [
        "~ efficiency_networks.targets taicang-1 a",
        "- efficiency_networks.measures led",
        "+ efficiency_networks.measures lamps",
    ]


def test_its_json_schema_follows() -> None:
    schema = zone_schema()
    item = schema["properties"]["efficiency_networks"]["properties"]["measures"]["items"]
    assert item["required"] == ["id", "network", "company", "title", "status", "kwh_a", "method"]
    known = Draft202012Validator(item | {"$defs": schema["$defs"]})
    one = {"id": "x", "network": "n", "company": "a", "title": "t", "status": "planned", "method": "deemed"}
    assert known.is_valid(one | {"kwh_a": {"electricity": 3}})
    assert not known.is_valid(one | {"kwh_a": {}}) and not known.is_valid(one | {"kwh_a": 3})


def test_members_are_those_of_a_span_of_days() -> None:
    found: Efficiency = whole_of(parse_zone(small(more=NETWORK)), EFFICIENCY)
    assert current_members(found, "taicang-1", "2026-06-01", "2026-07-01") == ("a", "b")
    assert current_members(found, "taicang-1", "2027-01-01", "2028-01-01") == ("a",)
    assert current_members(found, "taicang-1", "2025-01-01", "2026-01-01") == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ends: 2028", "ends: 2020", "networks[0].ends: 2020-12-31 is before it begins; write its last day"),
        ("left: 2027", "left: 2025", "members[1].left: 2025-01-01 is not after it joined; write the first day on which it is no member"),
        (
            "company: b, joined: 2026-01-01, left: 2027-01-01",
            "company: a, joined: 2026-05-01",
            "members[1].joined: 'a' is a member of 'taicang-1' then already; let the earlier membership end first: give it a `left`",
        ),
        (
            "targets:\n    - {network: taicang-1, company: a",
            "targets:\n    - {network: taicang-2, company: a",
            "targets[0].network: unknown efficiency_network 'taicang-2'; did you mean `taicang-1`?",
        ),
        ("kwh_a: 250000", "kwh_a: 0", "targets[0].kwh_a: 0 is no target; write an amount above zero"),
        ("base_year: 2025", "base_year: [2025]", "targets[0].base_year: a list is no number; write a number without quotes"),
        ("starts: 2026-03-01", "starts: null", "measures[0]: is implemented, but not since when; add `starts: 2026-01-31`, the first day"),
        ("evidence: invoice 17", "evidence: null", "measures[0]: is implemented without evidence; add `evidence"),
        ("factor_version: grid-cn-loc-2023, published 2025-12-31", "", "measures[0].kg_a: does not say with which factor"),
        ("natural_gas: -1500.5", "water: 3", "measures[0].kwh_a.water: is no energy; write savings of energy carriers"),
        ("{heat: 1000}", "{}", "measures[1].kwh_a: names no carrier; write amounts by carrier"),
        ("ipmvp_a", "ipmvp", "measures[0].method: 'ipmvp' is none of deemed, measured, ipmvp_a"),
        ("step: 1d", "step: 7h", "weather[0].temperature_c.step: 25200000 ms does not divide a day; write 1d, 1h"),
        ("from: 2025-01-01", 'from: "2025-01-01T06:00:00+08:00"', "weather[0].temperature_c.from: does not begin at midnight"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_place_and_remedy(old: str, new: str, said: str) -> None:
    assert any(said in one for one in problems((old, new))), problems((old, new))
