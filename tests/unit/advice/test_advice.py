"""Advice: every amount can be worked out again from its calculation, and nothing is said that is not known."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonepulse.processors.advice.base_load import night_base_load, weekend_base_load
from zonepulse.processors.advice.grid import PowerFactorRule, power_factor, unmatched
from zonepulse.processors.advice.hours import HOURS_A_YEAR, Absent, Advice, Hours
from zonepulse.processors.advice.shifting import _move, shift
from zonepulse.processors.advice.solar import Prices, simulate, solar, solar_noon_off_h, yields
from zonepulse.streams.efficiency.advice_words import AdviceWords

FIRST_MS = int(datetime(2024, 12, 31, 16, tzinfo=UTC).timestamp() * 1000)
"""2025-01-01 in Shanghai."""
STEEL = Path(__file__).parents[3] / "deploy" / "demo" / "steel_uci851.parquet"
LONGITUDE = 121.1
"""Of Taicang."""


ENGLISH = AdviceWords("en")


def hours(use: Any, *, g: Any = 500.0, cny: Any = 0.7, timezone: str = "Asia/Shanghai", first_ms: int = FIRST_MS) -> Hours:
    full = np.ones(HOURS_A_YEAR)
    return Hours(first_ms, use * full, use * full, g * full, cny * full, timezone)


def clock(timezone: str = "Asia/Shanghai") -> Hours:
    return hours(1.0, timezone=timezone)


def steel() -> Hours:
    """A steel mill's year, hour by hour; its clock is Shanghai's."""
    quarters = pq.read_table(STEEL).column("import_kwh").to_numpy()
    return hours(quarters[: HOURS_A_YEAR * 4].reshape(-1, 4).sum(axis=1))


def given_advice(found: Advice | Absent) -> Advice:
    assert isinstance(found, Advice), found
    return found


@pytest.mark.parametrize("advise", [night_base_load, weekend_base_load])
def test_base_load_is_the_sum_over_its_months(advise: Callable[[Hours], Advice | Absent]) -> None:
    found = given_advice(advise(steel()))
    months = found.calculation["months"]
    assert sum(m["hours"] * (m["median_kw"] - found.calculation["best_kw"]) for m in months) == pytest.approx(found.kwh_a)
    assert found.kg_a == pytest.approx(found.kwh_a * 0.5) and found.cny_a == pytest.approx(found.kwh_a * 0.7)
    assert found.calculation["best_kw"] == min(m["median_kw"] for m in months) and len(months) == 12
    assert found.kwh_a > 0 and len(found.windows) == 5
    assert list(found.windows) == sorted(found.windows, key=lambda one: -one.kwh)


def test_nights_are_the_zone_s_and_each_hour_is_counted_once() -> None:
    one = clock()
    night, weekend = given_advice(night_base_load(one)), given_advice(weekend_base_load(one))
    assert sum(m["hours"] for m in night.calculation["months"]) == 365 * 5
    assert (
        sum(m["hours"] for m in weekend.calculation["months"])
        == 19 * sum(date(2025, 1, 1 + i).weekday() >= 5 for i in range(7)) * 52
    )
    assert night.kwh_a == 0 and not night.windows
    use = np.where((one.hour < 5) & (one.months() != 2025 * 12 + 5), 12.0, 10.0)
    saved = given_advice(night_base_load(hours(use)))
    assert saved.kwh_a == pytest.approx(2 * 5 * (365 - 30)) and saved.calculation["best_month"] == "2025-06"
    assert saved.confidence == "medium", "no other month was as low"
    winter = hours(10 + 3 * np.cos(2 * np.pi * one.months() / 12))
    assert given_advice(night_base_load(winter)).confidence == "low", "it may be heating"


def test_a_year_that_is_not_known_gets_no_advice() -> None:
    use = np.where(np.arange(HOURS_A_YEAR) < 2000, np.nan, 5.0)
    for found in (night_base_load(hours(use)), shift(hours(use), "intensity"), solar(hours(use), None, None, Prices())):
        assert isinstance(found, Absent) and "only 6760 hours" in ENGLISH.said(found.why)


def test_without_factor_or_tariff_only_energy_is_said() -> None:
    found = given_advice(
        night_base_load(replace(steel(), g_per_kwh=np.full(HOURS_A_YEAR, np.nan), cny_per_kwh=np.full(HOURS_A_YEAR, np.nan)))
    )
    assert found.kwh_a > 0 and found.kg_a is None and found.cny_a is None


def test_what_moves_can_be_worked_out_again_from_its_days_and_hours() -> None:
    one = steel()
    g = np.where((one.hour >= 10) & (one.hour < 16), 300.0, 600.0) + one.hour
    found = given_advice(shift(replace(one, g_per_kwh=g), "intensity"))
    of, hours_of = found.calculation, found.calculation["greatest_day"]
    for name in ("moved_kwh", "saved_g", "saved_cny"):
        assert sum(row[name] for row in of["by_day"]) == pytest.approx(of[name])
    assert (len(of["by_day"]), len(hours_of)) == (365, 24)
    (day,) = [row for row in of["by_day"] if row["day"] == hours_of[0]["day"]]
    assert day["moved_kwh"] == max(row["moved_kwh"] for row in of["by_day"])
    moved = [row["gives_kwh"] - row["takes_kwh"] for row in hours_of]
    assert sum(row["gives_kwh"] for row in hours_of) == pytest.approx(day["moved_kwh"]) and sum(moved) == pytest.approx(0)
    assert sum(kwh * row["g_per_kwh"] for kwh, row in zip(moved, hours_of, strict=True)) == pytest.approx(day["saved_g"])
    for row in hours_of:
        mine = one.use_kwh[(one.hour == row["hour"]) & (one.is_weekend == (date.fromisoformat(row["day"]).weekday() >= 5))]
        assert [row["low_kwh"], row["high_kwh"]] == pytest.approx(list(np.quantile(mine, [0.1, 0.9])))
        assert row["gives_kwh"] <= max(0, row["use_kwh"] - row["low_kwh"]) + 1e-9
        assert row["takes_kwh"] <= max(0, row["high_kwh"] - row["use_kwh"]) + 1e-9


def test_load_moves_only_where_it_gains_and_only_as_far_as_it_was_seen() -> None:
    one = steel()
    g = np.where((one.hour >= 10) & (one.hour < 16), 300.0, 600.0)
    found = given_advice(shift(replace(one, g_per_kwh=g), "intensity"))
    assert found.kg_a == pytest.approx(found.kwh_a * 0.3) and found.cny_a == pytest.approx(0)
    assert found.calculation["days"] == 365 and found.calculation["moved_kwh"] == pytest.approx(found.kwh_a)
    assert 0 < found.kwh_a < np.nansum(one.use_kwh) / 2
    flat = shift(one, "intensity")
    assert isinstance(flat, Absent) and "the same in all hours of a day" in ENGLISH.said(flat.why)


@given(st.integers(0, 10_000))
def test_no_exchange_within_the_bounds_gains_more(seed: int) -> None:
    chance = np.random.default_rng(seed)
    use, worth = chance.uniform(0, 10, 8), chance.integers(1, 5, 8).astype(float)
    low, high = use - chance.uniform(0, 4, 8) * chance.integers(0, 2, 8), use + chance.uniform(0, 4, 8) * chance.integers(0, 2, 8)
    moved, gain, moves = _move(use, low, high, worth)
    after = use.copy()
    for source, target, kwh in moves:
        after[source] -= kwh
        after[target] += kwh
    assert after.sum() == pytest.approx(use.sum()) and moved == pytest.approx(np.maximum(0, use - after).sum())
    assert (after >= low - 1e-9).all() and (after <= high + 1e-9).all()
    assert gain == pytest.approx(use @ worth - after @ worth)
    give, take = after - low > 1e-9, high - after > 1e-9
    better = [(i, j) for i in range(8) for j in range(8) if give[i] and take[j] and worth[i] > worth[j]]
    assert not better


def sun(one: Hours, longitude: float = LONGITUDE) -> Any:
    """A kW's yield in each hour of a place."""
    solar_hour = (one.first_ms / 3_600_000 + np.arange(HOURS_A_YEAR) + 0.5 + longitude / 15) % 24
    return 0.8 * np.maximum(0, np.cos((solar_hour - 12) * np.pi / 12))


def test_what_is_generated_is_used_exported_lost_or_has_no_load() -> None:
    one = steel()
    use = one.use_kwh.copy()
    use[100:200] = np.nan
    gaps, each = replace(one, use_kwh=use), sun(one)
    for pv, battery in ((10.0, 0.0), (300.0, 0.0), (300.0, 150.0), (300.0, 900.0)):
        run = simulate(gaps, each, pv, battery, Prices())
        assert run.generated == pytest.approx(pv * each.sum())
        assert run.generated == pytest.approx(run.used + run.exported + run.lost + run.without_load)
        assert run.used <= np.nansum(use) and run.kg == pytest.approx(run.used * 0.5) and run.cny == pytest.approx(run.used * 0.7)
    assert (
        simulate(gaps, each, 300, 900, Prices()).used
        > simulate(gaps, each, 300, 150, Prices()).used
        > simulate(gaps, each, 300, 0, Prices()).used
    )


def test_the_advised_size_uses_most_of_what_it_makes_and_pays_back_as_its_numbers_say() -> None:
    one = steel()
    found = given_advice(solar(one, sun(one), LONGITUDE, Prices(pv_per_kw=3000, battery_per_kwh=900, feed_in_per_kwh=0.3)))
    sizes, batteries = found.calculation["sizes"], found.calculation["batteries"]
    chosen = next(row for row in sizes if row["pv_kw"] == found.calculation["pv_kw"])
    assert found.kwh_a == chosen["used"] >= 0.8 * chosen["generated"]
    assert chosen["payback_years"] == pytest.approx(3000 * chosen["pv_kw"] / chosen["cny"])
    assert chosen["cny"] == pytest.approx(chosen["used"] * 0.7 + chosen["exported"] * 0.3)
    months = found.calculation["by_month"]
    for of_month, of_year in (("used", "used"), ("exported", "exported"), ("generated", "generated"), ("kg", "kg")):
        assert sum(row[of_month] for row in months) == pytest.approx(chosen[of_year])
    feed_in = found.calculation["feed_in_cny_per_kwh"] * chosen["exported"]
    assert found.cny_a == pytest.approx(sum(row["cny_saved"] for row in months) + feed_in)
    assert chosen["cost_cny"] == found.calculation["pv_cny_per_kw"] * chosen["pv_kw"]
    assert batteries[0]["payback_years"] is None
    for row in batteries[1:]:
        assert row["payback_years"] is None or row["payback_years"] == pytest.approx(row["cost_cny"] / (row["cny"] - chosen["cny"]))


def test_use_without_a_known_intensity_is_in_no_kg_and_is_counted() -> None:
    one = steel()
    g = np.where(one.hour == 12, np.nan, 500.0)
    run = simulate(replace(one, g_per_kwh=g), sun(one), 10.0, 0.0, Prices())
    assert run.kg == pytest.approx((run.used - run.without_intensity) * 0.5) and run.without_intensity > 0


def test_a_yield_peaks_at_the_place_s_solar_noon_or_is_refused() -> None:
    one = clock()
    assert abs(solar_noon_off_h(one.first_ms, sun(one), LONGITUDE)) < 0.1
    utc = solar(one, np.roll(sun(one), 8), LONGITUDE, Prices())
    assert isinstance(utc, Absent) and "+8.0 h from solar noon" in ENGLISH.said(utc.why)
    for found, said in ((solar(one, None, LONGITUDE, Prices()), "--pv"), (solar(one, sun(one), None, Prices()), "--longitude")):
        assert isinstance(found, Absent) and said in ENGLISH.said(found.why)


@pytest.mark.parametrize("timezone", ["Europe/Berlin", "America/Santiago"])
def test_a_simulated_year_crosses_changes_of_the_clock(timezone: str) -> None:
    one = clock(timezone)
    run = simulate(one, sun(one), 5.0, 0.0, Prices())
    assert run.generated == pytest.approx(5 * sun(one).sum()) == pytest.approx(run.used + run.exported)
    _, counts = np.unique(one.day, return_counts=True)
    assert sorted(set(counts[1:-1])) == [23, 24, 25]


@pytest.mark.parametrize("step_minutes", [15, 30, 60])
def test_the_yield_of_the_hours_adds_up_to_the_series(step_minutes: int) -> None:
    count = HOURS_A_YEAR * 60 // step_minutes
    values = list(np.random.default_rng(1).uniform(0, 1, count))
    found = yields(FIRST_MS, HOURS_A_YEAR, FIRST_MS, step_minutes * 60_000, values)
    assert found.sum() == pytest.approx(sum(values))
    assert np.isnan(yields(FIRST_MS, HOURS_A_YEAR, FIRST_MS + 3_600_000, step_minutes * 60_000, values)[0])


def test_a_power_factor_costs_what_the_contract_says_and_nothing_without_it() -> None:
    months = {f"2025-{m:02}": (1000.0, 750.0 if m == 3 else 100.0) for m in range(1, 13)}
    prices: dict[str, float | None] = dict.fromkeys(months, 0.7)
    found = given_advice(power_factor(months, prices, PowerFactorRule(0.9, 0.5)))
    assert found.cny_a == pytest.approx(1000 * 0.7 * 0.005 * 10)
    assert found.calculation["months"][2]["power_factor"] == pytest.approx(0.8)
    unknown = power_factor(months, prices, None)
    assert isinstance(unknown, Absent) and "the lowest is 0.800 in 2025-03" in ENGLISH.said(unknown.why)
    assert isinstance(power_factor(months, prices, PowerFactorRule(0.7, 0.5)), Absent)
    assert given_advice(power_factor(months, dict.fromkeys(months, None), PowerFactorRule(0.9, 0.5))).cny_a is None


def test_contracts_that_deliver_at_another_hour_are_counted() -> None:
    one = clock()
    use = np.where(one.hour < 12, 10.0, 2.0)
    found = given_advice(unmatched(hours(use), np.where(one.hour < 12, 4.0, 6.0), 600.0))
    of = found.calculation
    assert of["lapsed_kwh"] == pytest.approx(4 * 12 * 365) and of["unmatched_kwh"] == pytest.approx(6 * 12 * 365)
    assert found.kwh_a == pytest.approx(min(of["lapsed_kwh"], of["unmatched_kwh"])) and found.kg_a == pytest.approx(
        found.kwh_a * 0.6
    )
    assert of["score"] == pytest.approx(of["matched_kwh"] / of["drawn_kwh"]) and of["drawn_kwh"] == pytest.approx(use.sum())
    for name in ("contracted_kwh", "drawn_kwh", "matched_kwh", "lapsed_kwh", "unmatched_kwh"):
        assert sum(row[name] for row in of["by_month"]) == pytest.approx(of[name])
    assert isinstance(unmatched(hours(use), np.zeros(HOURS_A_YEAR), None), Absent)
