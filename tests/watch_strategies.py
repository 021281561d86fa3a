"""Hypothesis strategies of logs that are long enough for detectors to speak: weeks of hours, with faults of load and arrival."""

import json
import random
from datetime import date, datetime, time, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from small_logs import zone_text

from zonepulse.oracle.metering.decode import Record

HOUR: Final = 3_600_000
FIRST_DAY: Final = date(2026, 10, 5)
"""A Monday; in Berlin the clock is put back on the 25th."""
BEGIN: Final = 1_791_158_400_000
FAULTS: Final = ("none", "spike", "zero", "shift", "night", "flow", "off_hours", "unit", "ct")


class Watched(NamedTuple):
    """A zone.yaml and its log."""

    text: str
    records: list[Record]


@st.composite
def watched(draw: Any) -> Watched:
    """One to three registers, each with its load, fault and outages."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    hours = 24 * draw(st.integers(15, 22))
    loads = [_load(chance, hours, draw(st.sampled_from(FAULTS))) for _ in range(draw(st.integers(1, 3)))]
    meters = [_meter(draw, number) for number in range(len(loads))]
    timezone = draw(st.sampled_from(("Asia/Shanghai", "Europe/Berlin", "Asia/Kolkata")))
    days = [(FIRST_DAY + timedelta(days=chance.randrange(hours // 24))).isoformat() for _ in range(3)]
    zone = {
        "timezone": timezone,
        "window": "60m", "tick": draw(st.sampled_from(("1m", "20m", "60m"))), "key": "meter", "calendar": "own", "expected": True,
        "alert_budget": draw(st.sampled_from((0.009, 0.25, 20, 20))),
    }  # fmt: skip
    calendars = [{"id": "own", "holidays": days[:1], "workdays": sorted({*days[1:]} - {*days[:1]})}]
    sent = sorted(
        (one for number, load in enumerate(loads) for one in _sent(chance, meters[number], load, timezone)), key=lambda one: one[0]
    )
    records = [Record(0, i, at, b"k", json.dumps(value).encode()) for i, (at, value) in enumerate(sent)]
    records.append(Record(0, len(records), records[-1].timestamp_ms + 3 * HOUR, b"k", b"[]"))
    rules = [
        {"id": f"odd-{on}", "on": on, "when": {"indicator": draw(st.sampled_from(("energy_kwh", "co2e_kg"))), "unusual": True}}
        | {"for": draw(st.sampled_from(("60m", "120m"))), "keep_firing": draw(st.sampled_from(("60m", "5h")))}
        for on in draw(st.lists(st.sampled_from(("company", "meter", "register")), max_size=1))
    ]
    return Watched(zone_text(*meters, zone=zone, calendars=calendars, rules=rules, budgets=_budgets(draw)), records)


def _budgets(draw: Any) -> list[dict[str, Any]]:
    """About as large as what the meters use."""
    of = st.tuples(
        st.sampled_from(("c1", None)), st.sampled_from(("2026-10", "2026-11", "2026")), st.sampled_from((1, 500, 2_000, 5_000, 60_000)),
        st.sampled_from(("kWh", "kgCO2e")), st.sampled_from(("location", "market")),
    )  # fmt: skip
    return [
        {"id": f"b{i}", "company": company, "period": period, "amount": amount, "unit": unit, "basis": basis}
        for i, (company, period, amount, unit, basis) in enumerate(draw(st.lists(of, max_size=3)))
    ]


def _meter(draw: Any, number: int) -> dict[str, Any]:
    kind, direction = draw(st.sampled_from((("cumulative", "import"), ("interval", "import"), ("interval", "export"))))
    period = draw(st.sampled_from(("60m", "60m", "60m", "1d", "150m" if kind == "cumulative" else "1d")))
    register = {"carrier": "electricity", "direction": direction, "kind": kind, "unit": "kWh", "max_power": 1000, "period": period}
    detect = draw(st.sampled_from((None, None, None, "on", "off", ["unusual", "zero_run"], ["record"])))
    one = {"id": f"m{number}", "site": "s1", "role": "main", "registers": {"r": register}}
    return one if detect is None else one | {"detect": detect}


def _load(chance: random.Random, hours: int, fault: str) -> list[int]:
    """Wh of each hour."""
    noise, is_closed = chance.choice((0.0, 0.01, 0.3)), fault == "off_hours"
    begin, length = 24 * 14 + chance.randrange(hours - 24 * 14), hours if fault in ("unit", "ct") else chance.randrange(1, 72)
    found = []
    for hour in range(hours):
        base = 10_000.0 if 7 <= hour % 24 < 19 and hour % 168 < 120 else 0.0 if is_closed else 2000.0
        value = base * max(0.0, 1 + chance.gauss(0, noise))
        if fault == "flow":
            value = 0.0
        if begin <= hour < begin + length:
            faulty = {
                "spike": 9 * value,
                "zero": 0.0,
                "shift": 1.5 * value,
                "night": value + 6000,
                "flow": 5000.0,
                "off_hours": 12_000.0,
                "unit": value / 100,
                "ct": 2 * value,
            }
            value = faulty.get(fault, value)
        found.append(round(value))
    return found


def _ends(chance: random.Random, register: dict[str, Any], hours: int, timezone: str) -> list[int]:
    """When a register is read: each hour, or more slowly; days of energy end at the zone's midnight."""
    whole = [BEGIN + (hour + 1) * HOUR for hour in range(hours)]
    if register["period"] == "60m":
        return whole
    if register["kind"] == "cumulative":
        every = 24 if register["period"] == "1d" else 2
        return whole[chance.randrange(every) :: every]
    zone = ZoneInfo(timezone)
    midnights = (datetime.combine(FIRST_DAY + timedelta(days=day), time(), zone) for day in range(hours // 24 + 1))
    return [round(at.timestamp() * 1000) for at in midnights]


def _sent(chance: random.Random, meter: dict[str, Any], load: list[int], timezone: str) -> list[tuple[int, dict[str, Any]]]:
    """(arrival, reading): most in time, some late, twice, corrected or never."""
    register, total, out = meter["registers"]["r"], 0, []
    is_counter, trouble, hour = register["kind"] == "cumulative", chance.choice((0.0, 0.02)), 0
    for ts in _ends(chance, register, len(load), timezone):
        until = max(0, (ts - BEGIN) // HOUR)
        value = sum(load[hour:until])
        hour, total = until, total + value
        reading = {"meter": meter["id"], "register": "r", "ts": ts, "value": (total if is_counter else value) / 1000}
        if chance.random() < trouble:
            what = chance.choice(("late", "too_late", "never", "twice", "corrected"))
            if what in ("late", "too_late", "twice"):
                out.append((ts + (5 * HOUR if what == "too_late" else chance.randrange(2 * HOUR)), reading))
            if what == "corrected" and not is_counter:
                out.append((ts + chance.randrange(2 * HOUR), reading | {"value": value / 500}))
            if what in ("late", "too_late", "never"):
                continue
        out.append((ts, reading))
    return out
