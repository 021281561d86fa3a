"""Savings: every day of the period counts, what stands in for missing weather is said, and intervals hold what they promise."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
from efficiency_meters import FIRST, JUDGED, OTHERS, made, mill, real

from zonepulse.processors.efficiency.baseline import Baseline, Refused, fit
from zonepulse.processors.efficiency.history import Day, History
from zonepulse.processors.efficiency.savings import TopDown, baseline_span, bottom_up, top_down
from zonepulse.schemas.registry.efficiency.networks import Measure, StaticChange

YEAR = FIRST + timedelta(days=365)
"""The reporting period begins."""


def two_years(factor: float = 0.9, seed: int = 1) -> tuple[Baseline, History]:
    """A mill's baseline, and a year in which it uses a part of what it did."""
    history = made(lambda day, t, p: mill(day, t, p) * (1.0 if day < YEAR else factor), days=730, seed=seed)
    model = fit(history.between(FIRST, YEAR), "day")
    assert isinstance(model, Baseline)
    return model, history.between(YEAR, YEAR + timedelta(days=365))


def saved(model: Baseline, reported: History) -> TopDown:
    found = top_down(model, reported)
    assert isinstance(found, TopDown), found
    return found


def test_savings_are_reference_less_actual_of_every_day() -> None:
    model, reported = two_years()
    found = saved(model, reported)
    assert found.days == 365 and not found.days_with_substitute and not found.days_without_energy
    assert found.actual == pytest.approx(sum(day.energy or 0 for day in reported.days))
    assert found.saved == pytest.approx(found.reference - found.actual)
    assert found.saved == pytest.approx(found.actual / 9, rel=0.05)
    assert found.saved - found.half_width < found.actual / 9 < found.saved + found.half_width
    assert [one.month for one in found.months] == [f"2026-{month:02}" for month in range(1, 13)]
    assert sum(one.saved for one in found.months) == pytest.approx(found.saved) == pytest.approx(found.months[-1].cumulative)
    assert found.months[-1].half_width == pytest.approx(found.half_width)
    assert [one.half_width for one in found.months] == sorted(one.half_width for one in found.months)


def test_days_without_weather_count_with_a_substitute_and_a_wider_interval() -> None:
    model, reported = two_years()
    gaps = replace(reported, days=tuple(d._replace(temperature_c=None) if d.day.day <= 6 else d for d in reported.days))
    whole, found = saved(model, reported), saved(model, gaps)
    assert (found.days, found.days_with_substitute) == (365, 72)
    assert found.actual == whole.actual
    assert found.half_width > whole.half_width
    assert abs(found.saved - whole.saved) < found.half_width
    assert found.saved > 0.9 * whole.saved, "no fifth of the savings is lost with them"


def test_a_day_of_a_season_that_the_baseline_has_no_weather_of_takes_the_nearest() -> None:
    model, reported = two_years()
    near = [(day, c) for day, c in model.temperatures if not date(2025, 6, 20) <= date.fromisoformat(day) <= date(2025, 7, 26)]
    gap = replace(reported, days=tuple(d._replace(temperature_c=None) if d.day == date(2026, 7, 8) else d for d in reported.days))
    found = saved(replace(model, temperatures=tuple(near)), gap)
    assert found.days_with_substitute == 1 and found.saved == pytest.approx(saved(model, reported).saved, rel=0.01)


def test_days_without_energy_are_left_out_of_both_sides_and_counted() -> None:
    model, reported = two_years()
    gaps = replace(reported, days=tuple(d._replace(energy=None) if d.day.day == 1 else d for d in reported.days))
    found = saved(model, gaps)
    assert (found.days, found.days_without_energy) == (353, 12)
    assert found.saved == pytest.approx(found.actual / 9, rel=0.06)
    none = replace(reported, days=tuple(d._replace(energy=None) for d in reported.days))
    assert top_down(model, none) == Refused("no_days")


def test_a_day_without_production_is_named() -> None:
    model, reported = two_years()
    days = list(reported.days)
    days[40] = days[40]._replace(production=(None,))
    assert top_down(model, replace(reported, days=tuple(days))) == Refused("no_production", ("2026-02-10",))


def test_a_model_of_months_needs_whole_months() -> None:
    history = made(mill, days=730)
    model = fit(history.between(FIRST, YEAR), "month")
    assert isinstance(model, Baseline)
    found = saved(model, history.between(YEAR, date(2026, 7, 1)))
    assert found.days == 181 and abs(found.saved) < 2 * found.half_width
    assert top_down(model, history.between(YEAR, date(2026, 7, 5))) == Refused("whole_months", ("2026-07",))


def test_intervals_hold_the_truth_about_nine_times_in_ten() -> None:
    inside = 0
    for seed in range(40):
        chance = np.random.default_rng(seed)
        noise = dict(zip((FIRST + timedelta(days=i) for i in range(730)), chance.normal(0, 100, 730), strict=True))
        history = made(lambda day, t, p, noise=noise: 3000 + 2 * p + noise[day], days=730, seed=seed)
        model = fit(history.between(FIRST, YEAR), "day")
        assert isinstance(model, Baseline)
        found = saved(model, history.between(YEAR, YEAR + timedelta(days=365)))
        inside += abs(found.saved) <= found.half_width
    assert 32 <= inside <= 40


def test_correlated_residuals_widen_the_interval() -> None:
    model, reported = two_years()
    narrow = saved(replace(model, autocorrelation=-0.3), reported)
    wide = saved(replace(model, autocorrelation=0.6), reported)
    assert wide.half_width == pytest.approx(2 * narrow.half_width)


def test_the_savings_of_a_real_meter_are_the_published_ones() -> None:
    """Its publisher took a tenth away: 10,000 kWh a year before 2016-12-26, 9,000 from 2017-01-04 on."""
    history = real()
    model = fit(history.between(date(2015, 12, 27), date(2016, 12, 26)), "day")
    assert isinstance(model, Baseline)
    found = saved(model, history.between(date(2017, 1, 4), date(2018, 1, 4)))
    assert found.saved / found.reference == pytest.approx(0.1, abs=0.03)
    assert found.saved - found.half_width < 0.1 * found.reference < found.saved + found.half_width


def test_its_reference_is_that_of_opendsm_within_a_hundredth() -> None:
    judge, history = JUDGED["opendsm"], real()
    first, end = (date.fromisoformat(judge[key]) for key in ("first", "end"))
    model = fit(history.between(first, end), "day")
    assert isinstance(model, Baseline)
    first, end = (date.fromisoformat(judge[f"reporting_{key}"]) for key in ("first", "end"))
    found = saved(model, history.between(first, end))
    assert found.reference == pytest.approx(judge["reference"], rel=0.01)
    assert abs(found.saved - judge["saved"]) < found.half_width


def spans(name: str) -> tuple[History, History]:
    """Of a sample, what its baseline is made of and what is reported."""
    first, end, begins, ends = (
        date.fromisoformat(OTHERS[name][key]) for key in ("first", "end", "reporting_first", "reporting_end")
    )
    return real(name).between(first, end), real(name).between(begins, ends)


@pytest.mark.parametrize(
    ("name", "rmse", "reference"),
    [
        ("illinois-gas", 0.02, 0.001),
        ("illinois-cooling", 0.05, 0.001),
        ("uk-electricity-0", 0.001, 0.001),
        ("uk-electricity-1", 0.01, 0.002),
    ],
)
def test_other_samples_are_explained_as_opendsm_does(name: str, rmse: float, reference: float) -> None:
    """Within these parts of its own; `days` are the same ones."""
    judge, (before, reported) = OTHERS[name], spans(name)
    model = fit(before, "day")
    assert isinstance(model, Baseline) and model.is_accepted
    assert sqrt(model.variance * (model.rows - len(model.variables)) / model.rows) == pytest.approx(judge["rmse"], rel=rmse)
    found = saved(model, reported)
    assert (model.days, found.days) == (judge["days"], judge["reporting_days"])
    assert found.reference == pytest.approx(judge["reference"], rel=reference)


def of_lines(days: Iterable[Day], balance: str) -> list[float]:
    """What OpenDSM's lines of British gas, one for each season, say of days (kWh); `balance` is their balance temperature's key."""
    by_month = {month: line for line in OTHERS["uk-gas"]["lines"].values() for month in line["months"]}
    found = []
    for day in days:
        assert day.temperature_c is not None
        line = by_month[day.day.month]
        found.append(line["intercept"] - line["hdd_beta"] * max(0.0, line[balance] - (32 + 1.8 * day.temperature_c)))
    return found


def test_british_gas_has_the_reference_that_opendsm_fits() -> None:
    """With one line, and with its lines of seasons; these have a smaller RMSE, as winter uses more at the same temperature than summer."""
    before, reported = spans("uk-gas")
    model = fit(before, "day")
    assert isinstance(model, Baseline) and model.is_accepted
    rmse = sqrt(model.variance * (model.rows - len(model.variables)) / model.rows)
    found, judge = saved(model, reported), OTHERS["uk-gas"]["without_split"]
    assert found.reference == pytest.approx(judge["reference"], rel=0.001) and rmse == pytest.approx(judge["rmse"], rel=0.02)
    assert found.reference == pytest.approx(sum(of_lines(reported.days, "hdd_bp_fitted")), rel=0.001)
    errors = np.array([day.energy for day in before.days]) - of_lines(before.days, "hdd_bp_fitted")
    assert abs(np.mean(errors)) < 0.01 and 1.07 < rmse / sqrt(np.mean(errors**2)) < 1.08
    too_much = {
        season: saved(model, replace(before, days=tuple(day for day in before.days if day.day.month in line["months"])))
        for season, line in OTHERS["uk-gas"]["lines"].items()
    }
    means = {season: one.saved / one.days for season, one in too_much.items()}
    assert means == pytest.approx({"winter": -2.2, "shoulder": 0.1, "summer": 2.0}, abs=0.05)


def test_opendsm_predicts_less_british_gas_than_it_fits() -> None:
    """It moves winter's balance temperature down to that of the sixth warmest day and keeps the constant: the baseline itself is missed."""
    judge, (before, reported) = OTHERS["uk-gas"], spans("uk-gas")
    assert sum(of_lines(reported.days, "hdd_bp")) == pytest.approx(judge["reference"])
    errors = np.array([day.energy for day in before.days]) - of_lines(before.days, "hdd_bp")
    assert sqrt(np.mean(errors**2)) == pytest.approx(judge["rmse"])
    assert 0.074 < np.mean(errors) / judge["mean"] < 0.076
    in_winter = np.array([day.day.month in judge["lines"]["winter"]["months"] for day in before.days])
    assert 4.6 < np.mean(errors[in_winter]) < 4.8 and abs(np.mean(errors[~in_winter])) < 0.01
    model = fit(before, "day")
    assert isinstance(model, Baseline)
    found = saved(model, reported)
    assert 1.081 < found.reference / judge["reference"] < 1.083
    assert found.saved - judge["saved"] > found.half_width


def test_samples_that_nothing_explains_have_no_baseline() -> None:
    """OpenDSM explains 1 % of the one's variance, and 27 % of the other's."""
    assert OTHERS["illinois-gas-constant"]["r2"] < 0.02
    assert fit(spans("illinois-gas-constant")[0], "day") == Refused("mean", ("degree days", "weekends"))
    model = fit(spans("uk-electricity-2")[0], "day")
    assert isinstance(model, Baseline) and not model.is_accepted


def measure(**given: object) -> Measure:
    known = {"id": "m", "network": "n", "company": "a", "title": "t", "status": "implemented", "method": "deemed"}
    return Measure(**(known | {"starts": "2026-01-01", "kwh_a": (("electricity", Fraction(365)),)} | given))  # type: ignore[arg-type]


def test_measures_save_from_their_first_day_on() -> None:
    found = bottom_up(
        [
            measure(kg_a=Fraction(100)),
            measure(id="late", starts="2026-12-31", kwh_a=(("electricity", Fraction(3650)), ("heat", Fraction(-365)))),
            measure(id="next", starts="2027-01-01"),
            measure(id="planned", status="planned"),
            measure(id="dropped", status="dropped"),
        ],
        date(2026, 1, 1),
        date(2027, 1, 1),
    )
    assert found.kwh == {"electricity": 365 + 10, "heat": -1}
    assert (found.kwh_a, found.kg_a, found.without_kg) == (365 + 3650 - 365, 100, ("late",))


def test_a_year_with_a_leap_day_saves_no_more() -> None:
    found = bottom_up([measure(starts="2020-01-01")], date(2023, 7, 1), date(2025, 1, 1))
    assert found.kwh["electricity"] == 184 + 365


def change(day: str) -> StaticChange:
    return StaticChange(day, "a", day, "hall 3", "L. Chen")


@pytest.mark.parametrize(
    ("days", "found"),
    [
        ([], (date(2024, 1, 1), date(2025, 1, 1))),
        (["2023-05-01"], (date(2024, 1, 1), date(2025, 1, 1))),
        (["2024-03-01"], (date(2024, 3, 1), date(2025, 3, 1))),
        (["2024-02-29", "2023-01-01"], (date(2024, 2, 29), date(2025, 3, 1))),
        (["2027-01-01"], (date(2024, 1, 1), date(2025, 1, 1))),
    ],
)
def test_a_static_change_begins_a_new_baseline(days: list[str], found: tuple[date, date]) -> None:
    assert baseline_span(2024, date(2026, 1, 1), date(2027, 1, 1), map(change, days)) == found


@pytest.mark.parametrize(
    ("day", "refused"),
    [
        ("2026-05-01", Refused("static_change", ("2026-05-01", "hall 3"))),
        ("2025-05-01", Refused("new_baseline", ("2025-05-01", "hall 3", "2026-05-01"))),
        ("2026-01-01", Refused("new_baseline", ("2026-01-01", "hall 3", "2027-01-01"))),
    ],
)
def test_a_static_change_that_leaves_no_year_has_no_answer(day: str, refused: Refused) -> None:
    assert baseline_span(2024, date(2026, 1, 1), date(2027, 1, 1), [change(day)]) == refused


def test_a_period_within_its_base_year_has_no_answer() -> None:
    found = baseline_span(2026, date(2026, 1, 1), date(2027, 1, 1), [])
    assert isinstance(found, Refused) and found.why == "late"


def test_the_interval_is_the_variance_of_the_sum() -> None:
    model, reported = two_years()
    model = replace(model, autocorrelation=0.0)
    found = saved(model, reported)
    names = [one.name for one in model.variables]
    x = np.array([
        sum({"constant": 1.0, "product:gears": d.production[0] or 0.0,
             "heating_degree_days": max(0.0, (model.heating_c or 0) - (d.temperature_c or 0)),
             "cooling_degree_days": max(0.0, (d.temperature_c or 0) - (model.cooling_c or 0)),
             "weekend": float(d.day.weekday() >= 5)}[name] for d in reported.days)
        for name in names
    ])  # fmt: skip
    expected = model.quantile * sqrt(float(x @ np.array(model.covariance) @ x) + 365 * model.variance)
    assert found.half_width == pytest.approx(expected)
