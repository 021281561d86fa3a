"""Hours and days of the zone's calendar: where they begin, what they sum, and what becomes of them in a ledger that goes on."""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from core_runs import emitted, fetches, final
from small_logs import DAY, IMPORT, MINUTE, log, meter, on_time, reading, rows_of, zone_text

from zonepulse.processors.flow import new_rows
from zonepulse.processors.ledger import periods
from zonepulse.schemas.registry.calendar import offsets_of
from zonepulse.schemas.tables.results import PERIODS

HOUR = 60 * MINUTE
FLOW = {**IMPORT, "kind": "interval"}
SUMS = ("energy_micro", "co2e_mg", "estimated_micro", "covered_ms", "expected_ms")
OF_TOTALS = "entity_kind", "entity", "carrier", "scope", "basis"


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def stretch(timezone: str, period: str, at: str) -> tuple[str, int]:
    """Begin (UTC) and minutes of the period that holds an instant."""
    out = np.empty(2, np.int64)
    periods.bounds(np.array(offsets_of(timezone), np.int64), PERIODS.index(period), ms(at), out)
    return datetime.fromtimestamp(out[0] / 1000, UTC).strftime("%m-%dT%H:%M"), int(out[1] - out[0]) // MINUTE


@pytest.mark.parametrize(
    ("timezone", "period", "at", "begin", "minutes"),
    [
        ("Asia/Shanghai", "day", "2026-03-04T12:00+08:00", "03-03T16:00", 24 * 60),
        ("Europe/Berlin", "day", "2026-03-29T12:00+02:00", "03-28T23:00", 23 * 60),
        ("Europe/Berlin", "day", "2026-10-25T00:00+02:00", "10-24T22:00", 25 * 60),
        ("Europe/Berlin", "hour", "2026-10-25T02:30+02:00", "10-25T00:00", 60),
        ("Europe/Berlin", "hour", "2026-10-25T02:30+01:00", "10-25T01:00", 60),
        ("America/Santiago", "day", "2026-09-06T12:00-03:00", "09-06T04:00", 23 * 60),
        ("America/Santiago", "day", "2026-04-04T23:30-04:00", "04-04T03:00", 25 * 60),
        ("Asia/Kathmandu", "hour", "2026-03-04T10:50+05:45", "03-04T04:15", 60),
        ("Australia/Lord_Howe", "hour", "2026-04-05T01:40+11:00", "04-04T14:00", 60),
        ("Australia/Lord_Howe", "hour", "2026-04-05T01:40+10:30", "04-04T15:00", 30),
    ],
)
def test_a_period_is_of_the_zones_clock_and_an_hour_ends_where_the_clock_changes(
    timezone: str, period: str, at: str, begin: str, minutes: int
) -> None:
    assert stretch(timezone, period, at) == (begin, minutes)


@pytest.mark.parametrize(
    ("at", "cut"),
    [
        ("2026-03-04T00:00+05:45", []),
        ("2026-03-04T10:00+05:45", [("day", "03-03T18:15", 24 * 60, "2026-03-04T00:00+00:00")]),
        ("2026-03-04T10:15+05:45", [("hour", "03-04T04:15", 60, "2026-03-04T10:00+00:00"),
                                    ("day", "03-03T18:15", 24 * 60, "2026-03-04T00:00+00:00")]),
    ],
)  # fmt: skip
def test_an_instant_cuts_the_hour_and_the_day_that_hold_it_and_do_not_begin_with_it(at: str, cut: list[Any]) -> None:
    found = periods.cut_by(np.array(offsets_of("Asia/Kathmandu"), np.int64), ms(at))
    assert [
        (one.name, datetime.fromtimestamp(one.start / 1000, UTC).strftime("%m-%dT%H:%M"), (one.end - one.start) // MINUTE,
         datetime.fromtimestamp(one.local_start / 1000, UTC).isoformat(timespec="minutes"))
        for one in found
    ] == cut  # fmt: skip


def test_an_hour_and_a_day_are_said_when_their_last_window_is_due_and_again_with_each_of_their_windows() -> None:
    sent = [reading(DAY + quarter * 15 * MINUTE, 4) for quarter in range(1, 97)]
    late = [r for r in sent if r["ts"] != DAY + 10 * HOUR + 30 * MINUTE]
    zone = zone_text(meter(FLOW), zone={"delay": "2m", "lateness": "26h", "max_gap": "26h"})
    rows = rows_of(zone, on_time(*sent))
    hours = [r for r in rows["period_totals"] if r["period"] == "hour" and (r["entity_kind"], r["scope"]) == ("company", 0)]
    assert [(r["energy_micro"], r["covered_ms"]) for r in hours] == [(16_000_000, HOUR)] * 24
    assert all(r["revision"] * MINUTE == round(r["start"].timestamp() * 1000) + HOUR + 2 * MINUTE for r in hours)

    records = log(*[(r["ts"], r) for r in late], (DAY + 25 * HOUR, reading("10:30", 7)), (DAY + 26 * HOUR, b"[]"))
    days = {
        r["revision"] * MINUTE - DAY: (r["energy_micro"], r["covered_ms"] // MINUTE)
        for r in emitted(zone, fetches(records), 1, finish=False)["period_totals"].to_pylist()
        if r["period"] == "day" and (r["entity_kind"], r["scope"]) == ("company", 0)
    }
    assert days == {
        24 * HOUR + 2 * MINUTE: (95 * 4_000_000, 95 * 15),
        25 * HOUR + MINUTE: (95 * 4_000_000 + 7_000_000, 96 * 15),
    }
    rows_of(zone, records)


def test_a_sum_that_may_leave_64_bits_is_unknown() -> None:
    sums = new_rows(periods.PERIOD_SUM, 3)
    for name in ("energy", "est", "valued", "co2e", "has_energy", "has_co2e"):
        sums[name] = 1
    sums["energy_size"] = periods.MOST_SIZES - 1, periods.MOST_SIZES, 0
    sums["co2e_size"] = 0, 0, periods.MOST_SIZES
    periods.leave_out_too_large(sums)
    assert sums["has_energy"].tolist() == sums["energy"].tolist() == sums["est"].tolist() == [1, 0, 1]
    assert sums["has_co2e"].tolist() == sums["co2e"].tolist() == [1, 1, 0]
    assert sums["valued"].tolist() == [1, 0, 0]


def test_energy_without_a_factor_is_no_part_of_what_is_valued() -> None:
    gas = {**FLOW, "carrier": "natural_gas", "direction": "consumption", "unit": "Nm3"}
    factor = {"id": "g", "company": "c1", "activity": "natural_gas", "value": 2, "unit": "kgCO2/Nm3", "source": "a test",
              "valid_from": "2026-03-04T10:30:00+00:00"}  # fmt: skip
    zone = zone_text(meter(gas), zone={"factor_regions": ["XX"]}, factors=[factor])
    rows = rows_of(zone, on_time(reading("10:15", 1), reading("10:30", 2), reading("10:45", 4), reading("12:30", 8)))
    (hour,) = [r for r in rows["period_totals"] if r["period"] == "hour" and r["carrier"] == "natural_gas" and r["scope"] == 1
               and r["entity_kind"] == "company" and r["start"].hour == 10]  # fmt: skip
    assert (hour["energy_micro"], hour["valued_micro"], hour["co2e_mg"]) == (7_000_000, 4_000_000, 8_000_000)


YEAR = zone_text(
    meter({**FLOW, "period": "1h"}),
    zone={"timezone": "Europe/Berlin", "window": "60m", "tick": "10m", "delay": "10m", "max_gap": "2h", "lateness": "1h"},
)


def hourly(first: str, last: str) -> list[dict[str, Any]]:
    """A reading at the end of each hour; each has another value."""
    begin, end = ms(first), ms(last)
    return [reading(at, 1 + at // HOUR * 7919 % 1000 / 1000) for at in range(begin + HOUR, end + 1, HOUR)]


@pytest.mark.large
def test_a_year_is_its_months_its_days_its_hours_and_its_windows_to_the_milligram() -> None:
    rows = final(
        emitted(YEAR, fetches(on_time(*hourly("2026-01-01T00:00+01:00", "2027-01-01T00:00+01:00")), (500,)), 1, finish=False)
    )
    windows, sums = rows["totals"].to_pylist(), rows["period_totals"].to_pylist()
    assert len({row["start"] for row in windows}) == 365 * 24
    days = {row["start"]: row["length_s"] // 3600 for row in sums if row["period"] == "day"}
    assert len(days) == 365 and sorted(set(days.values())) == [23, 24, 25] and sum(days.values()) == 365 * 24

    def summed(found: list[dict[str, Any]], *key: str) -> dict[tuple[Any, ...], list[int]]:
        out: defaultdict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * len(SUMS))
        for row in found:
            mine = out[tuple(row[name] for name in (*OF_TOTALS, *key))]
            for i, name in enumerate(SUMS):
                mine[i] += row[name] or 0
        return dict(out)

    of = {period: [row | {"month": row["local_start"].month} for row in sums if row["period"] == period] for period in PERIODS}
    assert summed(windows) == summed(of["hour"]) == summed(of["day"])
    assert summed(of["hour"], "month") == summed(of["day"], "month")
    march = sum(row["energy_micro"] for row in windows if "2026-02-28T23" <= row["start"].isoformat() < "2026-03-31T22"
                and (row["entity_kind"], row["scope"]) == ("company", 0))  # fmt: skip
    assert march == summed(of["day"], "month")["company", "c1", "electricity", 0, "", 3][0]
