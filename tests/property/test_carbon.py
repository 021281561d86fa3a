"""The core says what the oracle says of every carbon basis: networks, storages, contracts, entries and series, in every column."""

from datetime import UTC, datetime

from core_runs import disagreements, emitted, expected, fetches, final, plain
from hypothesis import given, settings
from hypothesis import strategies as st
from log_strategies import Case
from network_strategies import network_cases
from network_zones import log, meter, zone

from zonepulse.schemas.tables.results import FINAL_TABLES, TABLES

FEWER = settings(max_examples=settings.default.max_examples // 3)


@given(network_cases(), st.booleans())
def test_the_core_equals_the_oracle_on_every_basis(case: Case, finish: bool) -> None:
    got = final(emitted(case.text, fetches(case.records), case.partitions, finish=finish))
    assert disagreements(expected(case.text, case.records, case.partitions, finish=finish), got) == []


@FEWER
@given(network_cases(), st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_where_a_fetch_ends_changes_no_carbon(case: Case, sizes: list[int]) -> None:
    whole = emitted(case.text, fetches(case.records), case.partitions)
    cut = emitted(case.text, fetches(case.records, sizes), case.partitions)
    for name in FINAL_TABLES:
        assert plain(cut[name]) == plain(whole[name])


@FEWER
@given(network_cases())
def test_a_carbon_row_comes_at_most_once_a_tick_and_only_when_it_says_something_new(case: Case) -> None:
    made = emitted(case.text, fetches(case.records, (3,)), case.partitions)
    for name in ("emissions", "totals", "intensity"):
        table = TABLES[name]
        latest: dict[tuple[object, ...], dict[str, object]] = {}
        for row in made[name].select([c.name for c in table.stored]).sort_by("revision").to_pylist():
            key = tuple(row[column] for column in table.key)
            if key in latest:
                assert row["revision"] > latest[key]["revision"]
                assert row | {"revision": 0} != latest[key] | {"revision": 0}
            latest[key] = row


def test_a_company_has_no_market_rows_before_its_electricity_is_metered() -> None:
    heat = {"id": "h", "site": "works", "role": "main"}
    heat["registers"] = {
        "h": {
            "carrier": "heat",
            "direction": "consumption",
            "kind": "interval",
            "unit": "GJ",
            "max_power": 1_000_000,
            "period": "15m",
        }
    }
    later = meter("a", "works", "main", "import") | {"valid_from": "2026-03-04T00:15:00Z"}
    contract = {"id": "gec", "company": "c1", "kind": "ppa", "valid_from": "2026-01-01", "valid_to": "2027-01-01", "evidence": "e"}
    text = zone([heat, later], {"works": ("c1", "n1")}, contracts=[contract | {"mwh": 1}])
    records = log({("h", "h"): 2}, {("h", "h"): 2, ("a", "import"): 10})
    got = final(emitted(text, fetches(records), 1))
    assert disagreements(expected(text, records, 1), got) == []
    rows = [(r["carrier"], r["start"]) for r in got["totals"].to_pylist() if (r["entity"], r["basis"]) == ("c1", "market")]
    assert {carrier for carrier, _ in rows} == {"", "electricity", "contract:gec"}
    assert min(start for _, start in rows) == datetime(2026, 3, 4, 0, 15, tzinfo=UTC)
