"""Tables of measures and savings: what belongs to another network stands in no network's report, and no sum is short in silence."""

from datetime import date
from fractions import Fraction

import pytest
from zones import zone

from zonepulse.processors.efficiency.history import Day, History, days_between
from zonepulse.processors.efficiency.savings import BottomUp, Month, TopDown
from zonepulse.streams.efficiency.network import Asked, CarrierSavings, MemberSavings, by_measures
from zonepulse.streams.reports.savings_tables import SavingsTables
from zonepulse.streams.reports.words import ReportWords

TWO = """\
efficiency_networks:
  networks: [{id: one, begins: 2026-01-01, ends: 2028-12-31}, {id: two, begins: 2026-01-01, ends: 2028-12-31}]
  members: [{network: one, company: a, joined: 2026-01-01}, {network: two, company: a, joined: 2026-01-01}]
  measures:
    - {id: led, network: one, company: a, title: LED, status: planned, starts: 2026-03-01, kwh_a: {electricity: 40}, method: deemed}
    - {id: fan, network: two, company: a, title: Fan, status: planned, starts: 2026-03-01, kwh_a: {electricity: 50}, method: deemed}
"""


def test_a_network_s_report_has_its_own_measures_alone() -> None:
    registry, asked = zone(more=TWO), Asked(date(2026, 1, 1), date(2026, 4, 1), 2025)
    tables = SavingsTables(registry, [by_measures(registry, "a", "one", asked)], asked, ReportWords("en", "UTC"), is_own=False)
    assert [row[1] for row in tables.measures("one").rows] == ["LED"]
    assert [row[1] for row in tables.measures().rows] == ["LED", "Fan"]


def saved(carrier: str, kwh_per_unit: int, known: dict[date, float], months: tuple[Month, ...]) -> CarrierSavings:
    """Of the first quarter of 2026; `known`: days with energy."""
    days = tuple(Day(day, known.get(day), 10.0) for day in days_between(date(2026, 1, 1), date(2026, 4, 1)))
    found = TopDown("kWh", 0.0, 0.0, months[-1].cumulative, months[-1].half_width, len(known), 0, 90 - len(known), months)
    return CarrierSavings(carrier, Fraction(kwh_per_unit), None, History("kWh", (), days), None, found)


def test_a_month_without_a_known_day_of_a_carrier_has_no_sum_and_says_so() -> None:
    every = dict.fromkeys(days_between(date(2026, 1, 1), date(2026, 4, 1)), 1.0)
    power = tuple(Month(f"2026-{m:02}", 10.0 * m, total, 3.0) for m, total in ((1, 10.0), (2, 30.0), (3, 60.0)))
    gas = (Month("2026-01", 1.0, 1.0, 0.4), Month("2026-03", 2.0, 3.0, 0.5))
    without = {day: 1.0 for day in every if day.month != 2 and day != date(2026, 3, 7)}
    found = MemberSavings("a", None, BottomUp({}, Fraction(0), Fraction(0), ()), (
        saved("electricity", 1, every, power), saved("natural_gas", 10, without, gas),
    ))  # fmt: skip
    asked = Asked(date(2026, 1, 1), date(2026, 4, 1), 2025)
    table = SavingsTables(zone(), [found], asked, ReportWords("en", "UTC"), is_own=False).months()
    (january, february, march) = [dict(zip((one.key for one in table.columns), row, strict=True)) for row in table.rows]
    assert (january["month"], january["saved_kwh"], january["cumulative_kwh"], january["remark"]) == ("2026-01", 20, 20, "")
    assert (february["saved_kwh"], february["cumulative_kwh"]) == (None, 40), "what is cumulative is of the days that are known"
    assert february["remark"] == "not computable because readings cover no day of a: natural gas"
    assert (march["saved_kwh"], march["cumulative_kwh"], march["remark"]) == (50, 90, "days left out: a: natural gas (1)")
    assert march["plus_minus_kwh"] == pytest.approx((3.0**2 + 5.0**2) ** 0.5)
