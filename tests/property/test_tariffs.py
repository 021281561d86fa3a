"""What costs what in which hour: core and oracle price alerts alike by tariffs with hours, in the nights in which clocks change too."""

import json
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from calendar_strategies import NIGHTS
from core_runs import disagreements, emitted, expected, fetches, final
from hypothesis import given
from hypothesis import strategies as st
from small_logs import IMPORT, MINUTE, alerts, log, meter, reading, rows_of, zone_text
from zone_strategies import HOUR, Draw, text_of

from zonepulse.oracle.metering.decode import Record
from zonepulse.schemas.registry.calendars import WEEKDAYS

ZONE = {"window": "15m", "max_gap": "1h", "lateness": "12h", "key": "meter", "alert_budget": 20}
KW = 8
OWNERS = ("", "c1", "c2")


def clock(quarter: int) -> str:
    """Of a quarter of an hour of the day."""
    return f"{quarter // 4:02}:{quarter % 4 * 15:02}"


@st.composite
def calendars(draw: Draw, around: str) -> list[dict[str, Any]]:
    """One to four, with hours near those in which clocks change, or anywhere; some over midnight."""
    out = []
    for i in range(draw(st.integers(1, 4))):
        begin = draw(st.one_of(st.integers(0, 16), st.integers(0, 95)))
        end = draw(st.integers(1, 95).filter(lambda quarter, begin=begin: quarter != begin))
        days = draw(st.sampled_from((WEEKDAYS, WEEKDAYS[:5], WEEKDAYS[5:], WEEKDAYS[6:])))
        special = draw(st.sampled_from(({}, {}, {"holidays": [around]}, {"workdays": [around]})))
        out.append({"id": f"hours-{i}", "days": list(days), "hours": [clock(begin), clock(end)], **special})
    return out


@st.composite
def tariffs(draw: Draw, known: list[dict[str, Any]], night: int) -> list[dict[str, Any]]:
    """Of everybody and of a company, in all hours or in a calendar's; some change their price that night, or end."""
    out = []
    for owner in OWNERS:
        for calendar in ("", *(one["id"] for one in known)):
            changes = draw(st.sampled_from(((), (), (), (night,), (night + 3 * HOUR,), (night - HOUR, night + 90 * MINUTE))))
            edges = ["2026-01-01", *map(text_of, changes), None]
            for begin, end in pairwise(edges):
                if draw(st.integers(0, 3)) == 0:
                    continue
                unit, price = draw(st.sampled_from((("kWh", 0.7), ("kWh", 1.23), ("MWh", 333.3), ("kWh", 0.001))))
                out.append({
                    "id": f"t{len(out)}", "carrier": "electricity", "price": price, "currency": draw(st.sampled_from(("CNY", "EUR"))),
                    "unit": unit, "source": "s", "valid_from": begin, **({"valid_to": end} if end else {}),
                    **({"company": owner} if owner else {}), **({"calendar": calendar} if calendar else {}),
                })  # fmt: skip
    return out


def outages(name: str, begin: int, steps: list[int], site: str, kw: float = KW) -> tuple[dict[str, Any], list[tuple[int, Any]]]:
    """A meter, and what it sends after each of these silences (ms); those longer than an hour are gaps that nobody books."""
    ts, value, sent = begin, 100.0, []
    for step in (0, *steps):
        ts, value = ts + step, round(value + kw * step / HOUR, 4)
        sent.append((ts + 1000, reading(ts, value, name)))
    return meter(IMPORT | {"max_power": 50}, name, site=site), sent


def sent_log(*sent: tuple[int, Any]) -> list[Record]:
    """All of it in the order of arrival, and a heartbeat behind."""
    ordered = sorted(sent, key=lambda one: (one[0], one[1]["meter"]))
    return log(*ordered, (ordered[-1][0] + 13 * HOUR, b"[]"))


@st.composite
def nights(draw: Draw) -> tuple[str, list[Record]]:
    """A zone with tariffs by the hour, and two meters with gaps around a night."""
    timezone, night_text = draw(st.sampled_from(NIGHTS))
    night = round(datetime.fromisoformat(night_text).timestamp() * 1000)
    known = draw(calendars(night_text[:10]))
    gap = st.sampled_from((HOUR + 1, 75 * MINUTE, 90 * MINUTE, 2 * HOUR, 3 * HOUR))
    step = st.one_of(st.sampled_from((15 * MINUTE, 7 * MINUTE, HOUR)), gap)
    found = []
    for i in (1, 2):
        begin = night + draw(st.sampled_from((-30, -3, -1, 0, 1))) * HOUR + draw(st.sampled_from((0, 15, 45, 7))) * MINUTE
        found.append(outages(f"m{i}", begin, draw(st.lists(step, min_size=3, max_size=10)), f"s{i}"))
    text = zone_text(
        *(one for one, _ in found), zone=ZONE | {"timezone": timezone}, calendars=known, tariffs=draw(tariffs(known, night))
    )
    return text, sent_log(*(one for _, sent in found for one in sent))


@given(nights(), st.lists(st.integers(1, 9), max_size=3))
def test_the_core_prices_every_hour_as_the_oracle_does(made: tuple[str, list[Record]], sizes: list[int]) -> None:
    text, records = made
    got = final(emitted(text, fetches(records, sizes), 1))
    assert disagreements(expected(text, records, 1), got) == []


PEAK, NIGHT, REST = 1.2, 0.3, 0.7
HOURS = [
    {"id": "night", "days": list(WEEKDAYS), "hours": ["02:00", "03:00"]},
    {"id": "peak", "days": list(WEEKDAYS), "hours": ["05:00", "06:00"]},
]


def of_hours(price: float, calendar: str = "") -> dict[str, Any]:
    return {
        "id": f"t-{calendar}", "carrier": "electricity", "price": price, "currency": "EUR", "unit": "kWh", "source": "s",
        "valid_from": "2026-01-01", **({"calendar": calendar} if calendar else {}),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("midnight", "prices"),
    [
        ("2026-03-28T00:00+01:00", [REST, REST, NIGHT, REST, REST, PEAK]),
        ("2026-03-29T00:00+01:00", [REST, REST, REST, REST, PEAK, REST]),  # from 02:00 to 03:00 there is no hour
        ("2026-10-25T00:00+02:00", [REST, REST, NIGHT, NIGHT, REST, REST, PEAK]),  # it comes twice
    ],
)
def test_the_hours_of_a_tariff_are_those_that_the_clock_shows(midnight: str, prices: list[float]) -> None:
    """A meter each, whose gap begins half past the first, second, ... hour of the night, in hours that pass."""
    begin = round(datetime.fromisoformat(midnight).timestamp() * 1000)
    made = [outages(f"m{i}", begin + i * HOUR + 30 * MINUTE, [61 * MINUTE, 5 * MINUTE], "s1") for i in range(len(prices))]
    text = zone_text(
        *(one for one, _ in made), zone=ZONE | {"timezone": "Europe/Berlin"}, calendars=HOURS,
        tariffs=[of_hours(REST), of_hours(NIGHT, "night"), of_hours(PEAK, "peak")],
    )  # fmt: skip
    found = alerts(rows_of(text, sent_log(*(one for _, sent in made for one in sent))), "gap_too_long")
    costs = [json.loads(one["evidence"]) for one in found]
    assert [one["impact_cost"] / one["impact_kwh"] for one in costs] == pytest.approx(prices)
