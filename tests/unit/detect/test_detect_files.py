"""A file is judged row by row, what cannot be read is named; the benchmark's score is its own arithmetic."""

from pathlib import Path

import numpy as np
import pytest

from zonepulse.streams.detect.faults import HOURS, OF_THE_MEDIAN, meters, places, with_fault
from zonepulse.streams.detect.measure import rate_interval
from zonepulse.streams.detect.nab import _best, _events, _gain
from zonepulse.streams.detect.series import judge_series, read_series, verdict
from zonepulse.streams.screen import BadInput


def _file(folder: Path, rows: int = 24 * 30) -> Path:
    path = folder / "meter.csv"
    values = [20.0 + i % 24 + i % 7 / 10 for i in range(rows)]
    values[-3] = 900.0
    stamps = np.datetime64("2026-01-05T00:00") + np.arange(rows) * np.timedelta64(1, "h")
    path.write_text("start,kWh\n" + "".join(f"{at},{x}\n" for at, x in zip(stamps, values, strict=True)))
    return path


def test_a_spike_in_a_file_is_raised_with_its_reason(tmp_path: Path) -> None:
    series = read_series(_file(tmp_path), "kWh", None, "Asia/Shanghai")
    rows = verdict(series, judge_series(series, "Asia/Shanghai", 1.0)).to_pylist()
    assert len(rows) == 24 * 30
    (raised,) = [row for row in rows if row["decision"] == "raised"]
    assert raised["value"] == 900.0 and "record" in raised["reason"] and raised["score"] >= raised["threshold"]
    assert raised["expected_high"] < 900.0


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no column 'kwh'; it has start, kWh"):
        read_series(_file(tmp_path), "kwh", None, "UTC")


def test_faults_are_the_same_every_time_and_lie_where_they_are_said_to() -> None:
    meter = meters()[0]
    for fault, length in HOURS.items():
        assert places.__wrapped__(0, fault) == places(0, fault)
        at = places(0, fault)[0]
        changed = np.flatnonzero(with_fault(meter, fault, at) != meter.values)
        assert len(changed) and at <= changed[0] and changed[-1] < at + length


def test_a_fault_is_put_where_the_meter_counts_and_nowhere_if_it_would_be_next_to_nothing() -> None:
    number = next(i for i, meter in enumerate(meters()) if meter.name == "opendsm_uk:uk_gas_kwh")
    values = meters()[number].values
    for fault, length in HOURS.items():
        if fault in OF_THE_MEDIAN:
            assert places(number, fault) == []
        else:
            assert len(places(number, fault)) == 4
            assert all(2 * np.count_nonzero(values[at : at + length] > 0) >= length for at in places(number, fault))


def test_the_exact_interval_of_no_alert_ends_at_three_over_the_months() -> None:
    low, high = rate_interval(0, 100.0)
    assert low == 0.0 and high == pytest.approx(0.0368888, rel=1e-5)


def test_a_window_counts_once_and_each_row_outside_is_charged() -> None:
    scores = np.zeros(100)
    scores[[40, 42, 80]] = 0.9, 0.8, 0.5
    events = _events(scores, [(40, 49)], 0)
    assert _gain(events, 0.5) == pytest.approx(2.0 - 0.11)
    assert _gain(events, 0.8) == pytest.approx(2.0)
    assert _best(events) == pytest.approx((0.9, 2.0))
