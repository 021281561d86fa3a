"""Money in messages: by a tariff of the registry that was valid for that company then, and else not a word."""

import json
from typing import Any

import msgspec
import pytest
from notify_parts import transition
from zones import small, zone

from zonepulse.schemas.problems import RegistryError
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.subscribers import Subscriber
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.notify.composing import Composer
from zonepulse.streams.notify.messages.costs import cost
from zonepulse.streams.notify.messages.pages import Message
from zonepulse.streams.notify.routing.facts import Directory, Row, directory, parse_row
from zonepulse.streams.notify.routing.state import Parcel
from zonepulse.streams.notify.settings import NotifySettings

T0 = 1_790_000_100_000
TARIFFS = """
  - id: M2
    site: s
    role: main
    registers:
      "2.8.0": {carrier: electricity, direction: export, kind: cumulative, unit: kWh, max_power: 1000}
      gas: {carrier: natural_gas, direction: consumption, kind: cumulative, unit: Nm3, max_power: 1000}
rules:
  - {id: too-much, on: company, when: {indicator: energy_kwh, above: 100}, severity: warning}
  - {id: too-strong, on: company, when: {indicator: power_kw, above: 100}, severity: warning}
tariffs:
  - {id: grid, carrier: electricity, price: 720, currency: CNY, unit: MWh, source: Jiangsu 2026, valid_from: 2026-01-01}
  - {id: old, carrier: electricity, price: 9, currency: CNY, unit: kWh, source: old, valid_from: 2025-01-01, valid_to: 2026-01-01}
  - {id: mill, carrier: electricity, company: b, price: 0.5, currency: CNY, unit: kWh, source: B's contract, valid_from: 2026-01-01}
  - {id: gas, carrier: natural_gas, price: 3, currency: EUR, unit: GJ, source: by heat, valid_from: 2026-01-01}
"""


def a_zone() -> Registry:
    return zone(more=TARIFFS)


KNOWN = directory(a_zone())


def row(**facts: Any) -> Row:
    told = {"company": "a", "meter": "M", "starts_at": T0, "value": 612.5, "expected_low": 120.0, "expected_high": 290.25}
    return parse_row(json.dumps(transition("unusual", **(told | {"evidence": '{"register":"1.8.0"}'} | facts))).encode())


def said(one: Row, known: Directory = KNOWN, language: Any = "en") -> Message:
    reader = Subscriber("desk", ("mailto:desk@plant.example",), language=language)
    parcel = Parcel("k", "desk", reader.to[0], "alert", T0, [(one.identity, "raised")], [("raised", one)])
    return Composer(NotifySettings()).message(parcel, reader, known, T0 + 3_600_000)


def test_what_lies_above_the_band_is_priced_by_the_tariff_whose_source_the_message_names() -> None:
    found = cost(row(), KNOWN)
    assert found is not None and found.amount == pytest.approx((612.5 - 290.25) * 0.72) and found.tariff.id == "grid"
    message = said(row(impact_kg=181.4))
    assert (
        said(row(impact_kg=181.4), language="de").subject == "● Warnung: Ungewöhnlicher Wert · M · 181,4 kg CO2e · 232 CNY · 22:15"
    )
    heavy = said(row(impact_kg=18_123_456.0, severity="critical"), language="de").subject
    assert heavy == "▲ Kritisch: Ungewöhnlicher Wert · M · 18.123.456 kg CO2e · 22:15", "of both, the mass stays"
    assert message.subject == "● Warning: Unusual value · M · 181.4 kg CO2e · 232 CNY · 22:15"
    for text in (message.text, message.html, message.brief.alerts[0]):
        assert "about 232 CNY above what was expected" in text.replace("（", "(") and "Jiangsu 2026" in text
    assert "etwa 232 CNY über dem Erwarteten (720 CNY/MWh, Jiangsu 2026)" in said(row(), language="de").text
    assert "费用：比预期约多 232 CNY（720 CNY/MWh，Jiangsu 2026）" in said(row(), language="zh").text


@pytest.mark.parametrize(
    "facts",
    [
        {"value": 200.0}, {"value": None}, {"expected_high": None}, {"starts_at": 1_700_000_000_000},
        {"meter": "M2", "evidence": '{"register":"2.8.0"}'}, {"meter": "M2", "evidence": '{"register":"gas"}'},
        {"meter": "M", "evidence": '{"register":"9"}'}, {"meter": "", "evidence": "{}"}, {"meter": "gone"},
        {"rule": "too-strong", "meter": ""},
    ],
)  # fmt: skip
def test_where_no_tariff_holds_nothing_is_said_of_money(facts: dict[str, Any]) -> None:
    one = msgspec.structs.replace(row(**{k: v for k, v in facts.items() if k != "rule"}), rule=facts.get("rule", "unusual"))
    assert cost(one, KNOWN) is None
    message = said(one)
    assert not {"CNY", "EUR", "Cost"} & set((message.subject + message.text + message.html).replace(":", " ").split())


def test_a_zone_without_tariffs_has_no_default_one() -> None:
    assert cost(row(), directory(zone())) is None and "CNY" not in said(row(), directory(zone())).text


def test_a_companys_own_tariff_comes_first_and_is_nobody_elses() -> None:
    theirs, ours = cost(row(company="b"), KNOWN), cost(row(), KNOWN)
    assert theirs is not None and theirs.tariff.id == "mill"
    assert ours is not None and ours.tariff.id == "grid"
    before = cost(row(starts_at=1_760_000_000_000), KNOWN)
    assert before is not None and before.tariff.id == "old"


def test_a_rule_about_a_companys_energy_is_priced_as_electricity() -> None:
    facts = transition("too-much", company="a", starts_at=T0, value=150.0, expected_high=100.0)
    found = cost(parse_row(json.dumps(facts).encode()), KNOWN)
    assert found is not None and found.amount == pytest.approx(36.0)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ("price: 0, currency: CNY, unit: kWh, source: x, valid_from: 2026-01-01", "0 is no price"),
        ("price: 1, currency: CNY, unit: pounds, source: x, valid_from: 2026-01-01", "electricity is not counted in 'pounds'"),
        ("price: 1, currency: YEN, unit: kWh, source: x, valid_from: 2026-01-01", "none of CNY, EUR, USD"),
        ("price: 1, currency: CNY, unit: kWh, valid_from: 2026-01-01", "source"),
        ("price: 1, currency: CNY, unit: kWh, source: x, valid_from: 2026-01-01, company: c", "unknown company 'c'"),
        (
            "price: 1, currency: CNY, unit: kWh, source: x, valid_from: 2026-01-01, valid_to: 2025-01-01",
            "is not behind `valid_from`",
        ),
        (
            "price: 1, currency: CNY, unit: kWh, source: x, valid_from: 2026-01-01}, {id: u, carrier: electricity, price: 2, "
            "currency: CNY, unit: MWh, source: x, valid_from: 2027-01-01",
            "'t' is valid then as well",
        ),
    ],
)
def test_what_is_no_tariff_is_refused_with_a_remedy(fields: str, told: str) -> None:
    with pytest.raises(RegistryError) as error:
        parse_zone(small(more=f"tariffs: [{{id: t, carrier: electricity, {fields}}}]"))
    assert told in str(error.value)
