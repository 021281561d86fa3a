"""The shipped sample zone: its file parses, its bounds allow every measurement, its stream is what it says."""

import itertools
import time
from importlib.resources import files

import numpy as np
import pytest

from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.units import MS_PER_HOUR
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.demo.data import DEFAULT_SEED, THERM_M3, demo_sample, demo_zone_yaml, load_series

UNTIL_MS = 1_795_000_000_000
SHIPPED = files("zonepulse.deploy") / "demo"


def test_the_shipped_zone_parses_and_names_every_company_in_three_languages() -> None:
    registry = parse_zone((SHIPPED / "zone.yaml").read_text("utf-8"))
    assert registry.zone.id == "taicang-demo"
    assert all(set(c.name) == {"en", "de", "zh"} for c in registry.companies)


def test_the_zone_of_a_demo_knows_the_exchange_that_its_stream_makes() -> None:
    registry = parse_zone(demo_zone_yaml(UNTIL_MS, 14, 7))
    assert registry.meter_changes == demo_sample(UNTIL_MS, 14, 7).changes
    assert registry.meter_changes


def test_every_kind_of_register_occurs() -> None:
    assert {s.kind for s in load_series()} == {"cumulative", "interval", "power"}


def test_no_measured_value_exceeds_the_bounds_of_its_register() -> None:
    registry = parse_zone((SHIPPED / "zone.yaml").read_text("utf-8"))
    registers = [r for m in registry.meters for r in m.registers]
    for series, register in zip(load_series(), registers, strict=True):
        per_hour = 1.0 if series.kind == "power" else MS_PER_HOUR / series.period_ms
        most = np.nanmax(series.amount) * per_hour * float(register.scale) / 1e6
        assert np.nanmin(series.amount) >= 0
        assert most <= float(register.max_power), (series.meter, series.register, most)


def test_the_copies_hold_the_totals_of_their_sources() -> None:
    amounts = {(s.meter, s.register): s.amount for s in load_series()}
    day = 96
    assert amounts["TC-0101-E1", "1.8.0"][:3].tolist() == [3.17, 4.0, 3.24]
    assert amounts["TC-0101-E1", "1.8.0"].sum() == pytest.approx(959640.31, rel=0.005)
    assert amounts["TC-0201-E1", "1.8.0"][:4].tolist() == [40.0, 32.0, 32.0, 34.0]
    assert np.isnan(amounts["TC-0201-E1", "1.8.0"]).sum() == 5
    assert len(amounts["TC-0201-E1", "1.8.0"]) == 364 * day
    assert pytest.approx(2.7818, abs=1e-4) == THERM_M3


def test_weekdays_of_the_mill_stay_weekdays() -> None:
    """2018-01-01 was a Monday, and the mill hardly works on Sundays."""
    table = demo_sample(UNTIL_MS, 28, faults=False).readings
    mill = [r for r in table.to_pylist() if r["meter"] == "TC-0101-E1" and r["register"] == "1.8.0"]
    energy = dict.fromkeys(range(7), 0.0)
    for earlier, later in itertools.pairwise(mill):
        local_ms = int(earlier["ts"].timestamp() * 1000) + 8 * MS_PER_HOUR
        energy[(local_ms // (24 * MS_PER_HOUR) + 3) % 7] += later["value"] - earlier["value"]
    assert min(energy, key=energy.__getitem__) == 6


def test_the_keys_of_the_sample_spread_over_four_partitions() -> None:
    assert {partition_of(s.key, 4) for s in load_series()} == {0, 1, 2, 3}


def test_two_weeks_hold_every_fault() -> None:
    sample = demo_sample(UNTIL_MS, 14, DEFAULT_SEED)
    assert 30_000 < sample.readings.num_rows < 40_000
    assert len(sample.dead_letters) == 9
    assert {"rollover", "swap_recorded", "swap_unrecorded", "gap", "delayed", "duplicate", "correction"} <= set(sample.faults)


def test_a_hundred_thousand_readings_take_less_than_three_seconds() -> None:
    demo_sample(UNTIL_MS, 1)
    began = time.process_time()
    readings = demo_sample(UNTIL_MS, 60).readings.num_rows
    assert readings > 100_000
    assert time.process_time() - began < 3.0
