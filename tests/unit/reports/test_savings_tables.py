"""Tables of measures and savings: what belongs to another network stands in no network's report."""

from datetime import date

from zones import zone

from zonepulse.streams.efficiency.network import Asked, by_measures
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
