"""No sum can leave 64 bits: what registry apply refuses, and what the ledger does with a row that no registry can prove."""

from fractions import Fraction

import numpy as np
import pytest
from core_runs import emitted, fetches, final
from hypothesis import given
from hypothesis import strategies as st
from small_logs import IMPORT, meter, on_time, reading, zone_text
from zones import zone

from zonepulse.processors.channels.table import compile_registry
from zonepulse.processors.flow import ROW, new_rows
from zonepulse.processors.ledger.ledger import Ledger, Results
from zonepulse.schemas.checks.sums import most_micro
from zonepulse.schemas.problems import RegistryError
from zonepulse.schemas.units import LIMIT_ENERGY
from zonepulse.schemas.zone_file.read import parse_zone

GAS = {**IMPORT, "carrier": "natural_gas", "direction": "consumption", "kind": "interval", "unit": "Nm3"}


def refusal(text: str) -> str:
    with pytest.raises(RegistryError) as error:
        parse_zone(text)
    return str(error.value)


@given(st.integers(1, 40), st.integers(1, 1_067_519), st.sampled_from(("1h", "7d", "400d", "9000d")))
def test_a_registry_is_refused_exactly_where_its_channels_together_could_reach_the_limit(n: int, power: int, gap: str) -> None:
    meters = [
        meter({**IMPORT, "carrier": "water", "direction": "consumption", "unit": "m3", "max_power": power}, f"m{i}")
        for i in range(n)
    ]
    text = zone_text(*meters, zone={"max_gap": gap})
    hours = Fraction({"1h": 1, "7d": 168, "400d": 9600, "9000d": 216_000}[gap]) + Fraction(1, 4)
    if n * Fraction(6, 5) * power * 1_000_000 * hours < LIMIT_ENERGY - n:
        assert parse_zone(text).meters
    elif n * Fraction(6, 5) * power * 1_000_000 * hours >= LIMIT_ENERGY:
        assert "the energy of all channels together could overflow 64 bits" in refusal(text)


def test_carbon_is_bounded_by_the_largest_factor_that_a_carrier_may_meet() -> None:
    own = {"id": "own", "activity": "natural_gas", "company": "c1", "unit": "tCO2/Nm3", "source": "x", "valid_from": "2020-01-01"}
    for value, is_refused in ((1, False), (20_000, True)):
        text = zone_text(meter({**GAS, "max_power": 1_000_000}), factors=[{**own, "value": value}])
        if is_refused:
            assert "the carbon of all channels together could overflow 64 bits; this one alone has" in refusal(text)
        else:
            assert parse_zone(text).meters


def test_an_entry_times_its_gwp_must_fit() -> None:
    entry = "entries:\n  - {id: e, company: a, carrier: 'refrigerant:R-410A', kg: %s, at: 2026-03-04, by: Li, reason: refill}\n"
    gwp = ("id: z,", "id: z, gwp: AR5,")
    assert zone(gwp, more=entry % "1000000").entries
    with pytest.raises(RegistryError) as error:
        zone(gwp, more=entry % "3000000000")
    assert "entries[0].kg: kg x GWP does not fit 64 bits in mg CO2e" in str(error.value)


def test_one_absurd_reading_makes_no_carbon() -> None:
    text = zone_text(meter({**GAS, "multiplier": 500, "max_power": 1_000_000}))
    rows = final(emitted(text, fetches(on_time(reading("10:15", 8.91e9), reading("10:30", 1))), 1, finish=False))
    masses = [mg for name in ("emissions", "totals") for mg in rows[name]["co2e_mg"].to_pylist() if mg is not None]
    assert masses and all(0 <= mg < 10**10 for mg in masses)


@given(st.integers(-1, 1), st.booleans())
def test_a_row_above_the_proven_bound_is_not_booked_and_said(beyond: int, was_booked: bool) -> None:
    registry = parse_zone(zone_text(meter({**GAS, "period": "15m"})))
    channels = compile_registry(registry, 1)
    ledger = Ledger(channels)
    most = 2 * most_micro(registry.meters[0].registers[0], registry.zone.max_gap_ms)
    rows = new_rows(ROW, 1)
    rows.val, rows.cov, rows.start = most + beyond, 900_000, 1_772_582_400_000
    rows.was_val, rows.was_cov = (7, 900_000) if was_booked else (0, 0)
    results = Results()
    kept = ledger._bounded(rows, 5, results)
    assert int(kept["val"][0]) == (0 if beyond > 0 else most + beyond)
    assert int(kept["was_val"][0]) == int(rows.was_val[0])
    assert [a["rule"] for a in results.proposed] == (["ops_sum_refused"] if beyond > 0 else [])
    assert np.all(rows.val == most + beyond)


def test_a_refused_row_that_was_refused_before_says_nothing_new() -> None:
    registry = parse_zone(zone_text(meter({**GAS, "period": "15m"})))
    ledger = Ledger(compile_registry(registry, 1))
    most = 2 * most_micro(registry.meters[0].registers[0], registry.zone.max_gap_ms)
    rows = new_rows(ROW, 3)
    rows.was_val, rows.was_cov = most + 1, 900_000
    rows.val, rows.cov = [most + 2, 0, 7], [900_000, 0, 900_000]  # refused again, missing, possible
    kept = ledger._bounded(rows, 5, Results())
    assert [(int(r["val"]), int(r["was_val"]), int(r["was_cov"])) for r in kept] == [(7, 0, 0)]
