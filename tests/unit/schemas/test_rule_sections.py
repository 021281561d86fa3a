"""`rules:` and `calendars:` of zone.yaml: what is read, and every mistake with its line and remedy."""

import pytest
from zones import small, zone

from zonepulse.schemas.checks.notices import notices
from zonepulse.schemas.problems import RegistryError
from zonepulse.schemas.registry.calendars import Calendar
from zonepulse.schemas.rules.expressions import MOST_DEPTH, MOST_NODES, indicators_of, parse_expression
from zonepulse.schemas.rules.scopes import INDICATORS_ON, SCOPES, is_on
from zonepulse.schemas.values import BadValue
from zonepulse.schemas.zone_file.read import parse_zone

FULL = """
calendars:
  - {id: shift, days: [mon, sat], hours: ["22:00", "06:00"], holidays: [2026-10-01], workdays: [2026-10-10]}
  - {id: week}
rules:
  - id: night-load
    on: [meter:M*, meter:X]
    when: {indicator: energy_kwh, change: percent, against: 7d, above: 20}
    calendar: shift
    runbook: https://wiki.example/night
  - id: dirty-peak
    on: company
    when: {expr: "power_kw > 100 and not completeness < 0.9"}
    clear: {expr: power_kw < 80}
    keep_firing: 30m
"""


def test_every_key_is_read() -> None:
    registry = zone(("id: M\n", "id: M\n"), more=FULL.replace(", meter:X", ""))
    night, dirty = registry.rules
    assert (night.on, night.only, night.change, night.against_ms, night.above) == (
        "meter",
        ("M*",),
        "percent",
        7 * 86_400_000,
        20.0,
    )
    assert (night.calendar, night.runbook, night.expr) == ("shift", "https://wiki.example/night", "")
    assert (dirty.expr, dirty.clear_expr, dirty.indicator) == ("power_kw > 100 and not completeness < 0.9", "power_kw < 80", "")
    shift, week = registry.more["calendars"]
    assert shift == Calendar("shift", ("mon", "sat"), 22 * 60, 6 * 60, ("2026-10-01",), ("2026-10-10",))
    assert week == Calendar("week", ("mon", "tue", "wed", "thu", "fri"), 0, 24 * 60)


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        (
            "{id: r, on: [meter:Q], when: {indicator: energy_kwh, above: 1}}",
            "on[0]: no meter is called 'Q'; write the id of a meter",
        ),
        (
            "{id: r, on: [register:M], when: {indicator: quantity, above: 1}}",
            "no register is called 'M'; write meter/register, with * and ?",
        ),
        (
            "{id: r, on: [meter:M, site:s], when: {indicator: energy_kwh, above: 1}}",
            "site beside meter; rules on two scopes are two",
        ),
        ("{id: r, on: [M], when: {indicator: energy_kwh, above: 1}}", "'M' names nothing; write scope:id"),
        ("{id: r, on: [], when: {indicator: energy_kwh, above: 1}}", "the rule is on nothing"),
        ("{id: r, on: house, when: {indicator: energy_kwh, above: 1}}", "'house' is none of zone, company, site, node"),
        ("{id: r, on: zone, when: {expr: power_kv > 1}}", "when.expr: unknown indicator 'power_kv'; did you mean `power_kw`?"),
        ("{id: r, on: zone, when: {expr: power_kw + 1}}", "the expression is a number, neither true nor false"),
        ("{id: r, on: zone, when: {expr: power_kw > 1, above: 3}}", "has an expression and other keys"),
        ("{id: r, on: zone, when: {expr: power_kw > 1}, clear: {below: 3}}", "`clear` is a bound and `when` an expression"),
        ("{id: r, on: zone, when: {indicator: power_kw, above: 3}, clear: {expr: power_kw < 1}}", "`clear` is an expression and"),
        ("{id: r, on: zone, when: {indicator: power_kw, above: 3, change: percent}}", "`change` and `against` belong together"),
        (
            "{id: r, on: zone, when: {indicator: power_kw, above: 3, change: percent, against: 20m}}",
            "20m is no multiple of the window",
        ),
        ("{id: r, on: zone, when: {indicator: power_kw, above: 3, change: percent, against: 60d}}", "is more than 4000 windows"),
        ("{id: r, on: zone, when: {indicator: power_kw, above: 3}, calendar: x}", "unknown calendar 'x'; add it to calendars"),
        ("{id: r, on: zone, when: {indicator: power_kw, above: 3}, runbook: wiki}", "'wiki' is no link"),
    ],
)
def test_mistakes_name_place_and_remedy(rules: str, told: str) -> None:
    with pytest.raises(RegistryError) as refused:
        parse_zone(small(more=f"rules:\n  - {rules}\n"))
    found = str(refused.value).splitlines()
    assert any(told in line and line.startswith("zone.yaml:") for line in found), found


@pytest.mark.parametrize(
    ("calendar", "told"),
    [
        ("{id: c, days: [monday]}", "'monday' is none of mon, tue"),
        ('{id: c, hours: ["08:00"]}', "needs two different times"),
        ("{id: c, holidays: [today]}", "'today' is no date"),
        ("{id: c, holidays: [2026-10-01], workdays: [2026-10-01]}", "2026-10-01 is both a holiday and a workday"),
    ],
)
def test_mistakes_of_calendars_are_told(calendar: str, told: str) -> None:
    with pytest.raises(RegistryError, match=told.replace("[", "\\[")):
        parse_zone(small(more=f"calendars:\n  - {calendar}\n"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "ends too early"),
        ("power_kw >", "ends too early"),
        ("power_kw > 1 > 2", "goes on with '>'"),
        ("(power_kw > 1", "not closed"),
        ("power_kw > 1)", "goes on with ')'"),
        ("power_kw > __import__('os')", 'has "\'"'),
        ("power_kw.real > 1", "has '.'"),
        ("power_kw ** 2 > 1", "has '*' where a value should be"),
        ("not power_kw", "`not` stands before what is true or false"),
        ("power_kw and power_kw > 1", "`and` stands between what is true or false"),
        ("(power_kw > 1) + 1 > 1", "`+` stands between numbers"),
        ("-(power_kw > 1) > 1", "`-` stands before a number"),
        ("power_kw > 1e9", "goes on with 'e9'"),
        ("and > 1", "has 'and' where a value should be"),
        ("not " * (MOST_DEPTH + 1) + "power_kw > 1", f"more than {MOST_DEPTH} deep"),
        ("(" * 400 + "1" + ")" * 400, "has 801 characters"),
        (" + ".join(["1"] * MOST_NODES) + " > 1", f"more than {MOST_NODES} parts"),
    ],
)
def test_what_is_no_expression_says_why(text: str, told: str) -> None:
    with pytest.raises(BadValue) as bad:
        parse_expression(text)
    assert told in bad.value.what


def test_an_expression_names_its_indicators_once() -> None:
    assert indicators_of(parse_expression("a > 1 and not (b < -a or c / 2 == a)")) == ("a", "b", "c")


def test_a_list_chooses_by_pattern() -> None:
    rule = zone(more=FULL.replace("meter:M*, meter:X", "meter:M*")).rules[0]
    assert is_on(rule, "M") and is_on(rule, "M-2") and not is_on(rule, "N")


def test_what_is_never_known_is_told() -> None:
    gas = '      "7.0": {carrier: natural_gas, direction: consumption, kind: cumulative, unit: m3, reference: 20C, max_power: 9}\n'
    rules = "rules:\n" + "".join(
        f"  - {{id: r-{on}, on: {on}, when: {{expr: energy_kwh > 1 and imbalance_kwh > 0}}}}\n" for on in SCOPES if on != "node"
    )
    found = [str(problem) for problem in notices(zone(("max_power: 1000000}\n", "max_power: 1000000}\n" + gas), more=rules))]
    assert [line.split(";")[0] for line in found if "nothing judges" in line] == [
        f"zone.yaml: rules.r-{on}: nothing judges imbalance_kwh on {on}" for on in SCOPES if on != "node"
    ]
    assert [line.split(";")[0] for line in found if "never known" in line] == [
        "zone.yaml: rules.r-company: energy_kwh of 1 of 2 is never known, such as of b: no electricity counts there",
        "zone.yaml: rules.r-site: energy_kwh of 1 of 2 is never known, such as of s2: no electricity counts there",
        "zone.yaml: rules.r-register: energy_kwh of 1 of 2 is never known, such as of M/7.0: no electricity counts there",
    ]
    assert "imbalance_kwh" in INDICATORS_ON["node"]
