"""Budgets that burn, day by day; the oracle says the same each time."""

import json
from typing import Any

import pytest
from small_logs import DAY, IMPORT, MINUTE, alerts, log, meter, reading, rows_of, zone_text

from zonepulse.processors.accounting.plan import compile_accounts
from zonepulse.processors.channels.table import compile_registry
from zonepulse.processors.ledger.built_in.budget_burn import BudgetBurn
from zonepulse.schemas.zone_file.read import parse_zone

HOURS = 60 * MINUTE
HOURLY = {**IMPORT, "kind": "interval", "period": "60m"}
MARCH = DAY - 3 * 24 * HOURS
"""2026-03-01T00:00Z."""


def month(*kwh_an_hour: float) -> list[dict[str, Any]]:
    """Readings of every hour from the first of March, by day."""
    return [reading(MARCH + (24 * day + hour + 1) * HOURS, value) for day, value in enumerate(kwh_an_hour) for hour in range(24)]


def burns(budget: dict[str, Any], readings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    text = zone_text(meter(HOURLY), zone={"window": "60m"}, budgets=[{"id": "b", "period": "2026-03", "unit": "kWh"} | budget])
    sent = [(one["ts"], one) for one in readings]
    return alerts(rows_of(text, log(*sent, (readings[-1]["ts"] + 3 * HOURS, b"[]"))), "budget_burn")


@pytest.mark.large
def test_a_budget_burns_when_its_day_and_its_week_go_too_fast() -> None:
    """31 days at 1 kWh an hour are 744 kWh."""
    days = [1.0] * 7 + [1.2, 1.2, 0.9, 0.9]
    assert burns({"amount": 744.001}, month(*days[:7])) == []
    (alert,) = burns({"amount": 744, "company": "c1"}, month(*days[:9]))
    assert (alert["state"], alert["company"], alert["severity"]) == ("raised", "c1", "warning")
    assert alert["starts_at"].timestamp() * 1000 == MARCH + 7 * 24 * HOURS
    assert (alert["value"], alert["expected_high"]) == (1.2, 1.0)
    facts = json.loads(alert["evidence"])
    assert facts == {
        "amount": 744.0, "budget": "b", "fast": 1.2, "slow": 36 / 35, "period": "2026-03", "unit": "kWh",
        "spent_micro": round(24e6 * (7 + 1.2)),
    }  # fmt: skip
    (alert,) = burns({"amount": 744}, month(*days))
    assert (alert["state"], alert["ends_at"].timestamp() * 1000) == ("resolved", MARCH + 9 * 24 * HOURS)


def test_a_week_that_is_not_known_keeps_silent() -> None:
    missed = [one for one in month(*[2.0] * 12) if not MARCH + 3 * 24 * HOURS < one["ts"] <= MARCH + 4 * 24 * HOURS]
    (alert,) = burns({"amount": 744}, missed[: 24 * 3])
    assert alert["starts_at"].timestamp() * 1000 == MARCH
    assert burns({"amount": 744}, month(*[2.0] * 12)[24:])[0]["starts_at"].timestamp() * 1000 == MARCH + 7 * 24 * HOURS


@pytest.mark.large
def test_on_the_last_day_what_burns_is_over() -> None:
    (alert,) = burns({"amount": 744}, month(*[2.0] * 32))
    assert (alert["state"], alert["ends_at"].timestamp() * 1000) == ("resolved", MARCH + 31 * 24 * HOURS)


def test_emissions_are_those_of_the_basis_and_of_the_zone_all_of_them() -> None:
    for of in ({"basis": "location"}, {"basis": "market"}, {"company": "c1"}):
        found = burns({"unit": "kgCO2e", "amount": 100} | of, month(*[2.0] * 3))
        assert [json.loads(one["evidence"])["basis"] for one in found] == [of.get("basis", "location")]


def test_of_a_budget_that_is_taken_out_or_made_another_one_the_alert_ends() -> None:
    def burn(*budgets: dict[str, Any]) -> BudgetBurn:
        text = zone_text(
            meter(HOURLY), budgets=[{"id": "b", "period": "2026-03", "unit": "kWh", "amount": 744} | one for one in budgets]
        )
        channels = compile_registry(parse_zone(text), 1)
        return BudgetBurn(channels, compile_accounts(channels))

    before = burn({})
    ((identity, *_),) = before.held()
    before.resume([[identity, [[MARCH, MARCH + 24 * HOURS, 48_000_000]], 48_000_000, [MARCH, 2.0, {"budget": "b"}]]])
    tick = MARCH // MINUTE + 3_000
    assert list(before.given_up(burn({"amount": 800}), tick)) == [], "it is the same budget"
    for later in (burn(), burn({"period": "2026-04"})):
        (row,) = before.given_up(later, tick)
        assert (row["state"], row["ends_at"], row["revision"]) == ("resolved", tick * MINUTE, tick + 1)
        before.resume([[identity, [[MARCH, MARCH + 24 * HOURS, 48_000_000]], 48_000_000, [MARCH, 2.0, {"budget": "b"}]]])
        later.resume(before.held())
        assert all(not days for _, days, _, _ in later.held())
