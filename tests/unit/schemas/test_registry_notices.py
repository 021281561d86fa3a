"""What is allowed but without effect is said, not refused."""

from zones import EXAMPLE, zone

from zonepulse.schemas.checks.notices import notices
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.zone_file.read import parse_zone

FACTOR = "factors:\n  - {id: own, activity: %s, company: a, value: 1, unit: %s, valid_from: 2024-01-01, source: x%s}\n"


def _said(registry: Registry) -> list[str]:
    return [str(p) for p in notices(registry)]


def test_a_zone_in_which_everything_has_an_effect_has_no_notices() -> None:
    assert _said(zone()) == []


def test_the_example_has_a_factor_that_no_channel_uses_yet() -> None:
    (line,) = _said(parse_zone(EXAMPLE))
    assert line == (
        "zone.yaml: factors.steelworks-gas-2026: no channel ever uses this factor;"
        " check that steelworks has a channel of natural_gas counted in Nm3"
    )


def test_a_direction_that_no_total_counts_is_named() -> None:
    (line,) = _said(zone(("carrier: electricity", "carrier: diesel"), ("unit: kWh", "unit: t")))
    assert (
        "import of diesel by a main meter is kept as intervals but in no total; if it should count, write direction: consumption"
        in line
    )


def test_a_factor_that_cannot_answer_says_why() -> None:
    assert "confidence L means unverified" in _said(zone(more=FACTOR % ("grid_electricity", "kgCO2/kWh", ", confidence: L")))[0]
    assert (
        "basis footprint is another quantity, which answers no look-up"
        in _said(zone(more=FACTOR % ("grid_electricity", "kgCO2/kWh", ", basis: footprint")))[0]
    )
    assert "a channel of lng counted in kg" in _said(zone(more=FACTOR % ("lng", "tCO2/t", "")))[0]
    assert _said(zone(more=FACTOR % ("grid_electricity", "kgCO2/kWh", ""))) == []


def test_a_rule_that_nothing_judges_is_named() -> None:
    rules = "rules:\n" + "".join(
        f"  - {{id: {on}, on: {on}, when: {{indicator: g_per_kwh, above: 1}}}}\n" for on in ("zone", "company", "meter")
    )
    assert [line.split(";")[0] for line in _said(zone(more=rules))] == [
        "zone.yaml: rules.company: nothing judges g_per_kwh on company",
        "zone.yaml: rules.meter: nothing judges g_per_kwh on meter",
    ]


def test_a_contract_of_a_company_that_imports_nothing_is_named() -> None:
    contract = "contracts:\n  - {id: c, company: %s, kind: ppa, mwh: 1, valid_from: 2026-01-01, valid_to: 2027-01-01}\n"
    assert _said(zone(more=contract % "a")) == []
    assert "contracts.c: b has no meter of electricity import: nothing is ever matched" in _said(zone(more=contract % "b"))[0]


def test_a_register_that_no_detector_judges_is_named() -> None:
    slow = ("max_power: 1000000}", "max_power: 1000000, period: 30h}")
    (line,) = _said(zone(slow))
    assert line.endswith("period: is longer than a day: no detector judges it; read it once a day, or write `detect: off`")
    assert _said(zone(slow, ("    role: main\n", "    role: main\n    detect: off\n"))) == []
