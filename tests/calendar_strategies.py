"""Hypothesis strategies of daily and hourly values around the nights in which clocks change."""

import json
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from log_strategies import Case, Unnumbered, numbered
from zone_strategies import HOUR, MINUTE, Draw, duration

DAY = 24 * HOUR
NIGHTS = (
    ("Europe/Berlin", "2026-03-29T00:00+01:00"),
    ("Europe/Berlin", "2026-10-25T00:00+02:00"),
    ("Asia/Shanghai", "2026-03-29T00:00+08:00"),
    ("America/Santiago", "2026-09-06T01:00-03:00"),
    ("America/Santiago", "2026-04-04T00:00-03:00"),
)
"""A zone and its midnight before the clocks change; in Santiago they change at midnight."""
KW = 10


@st.composite
def calendar_cases(draw: Draw) -> Case:
    """One register of kind `interval`, read at the edges of its periods, near them, and elsewhere."""
    name, night = draw(st.sampled_from(NIGHTS))
    begin = round(datetime.fromisoformat(night).timestamp() * 1000)
    period = draw(st.sampled_from((DAY, DAY, DAY, HOUR, 15 * MINUTE)))
    offset = draw(st.sampled_from((0, 0, 6 * HOUR, 2 * HOUR, 150 * MINUTE) if period == DAY else (0, 5 * MINUTE)))
    stamp = draw(st.sampled_from(("end", "start")))
    window = draw(st.sampled_from((HOUR, HOUR, 30 * MINUTE)))
    register: dict[str, Any] = {
        "carrier": "electricity", "direction": "import", "kind": "interval", "unit": "kWh", "max_power": KW,
        "period": draw(st.sampled_from(("1d", "24h"))) if period == DAY else duration(period),
        "offset": duration(offset), "stamp": stamp,
    }  # fmt: skip
    zone = {
        "zone": {
            "id": "z", "timezone": name, "factor_regions": ["CN"], "key": "meter", "window": duration(window), "delay": "60s",
            "lateness": duration(3 * DAY), "max_gap": "36h", "vee": {"n_confirm": 3, "boundary_tolerance": "60s"},
        },
        "companies": [{"id": "c0"}],
        "sites": [{"id": "s0", "company": "c0"}],
        "meters": [{"id": "m", "site": "s0", "role": "main", "registers": {"r": register}}],
        "meter_changes": [],
        "rules": [],
    }  # fmt: skip
    records: list[Unnumbered] = [(0, begin - DAY, None, b"[]", ())]
    at = begin - draw(st.sampled_from((0, 1, 2))) * min(period, 2 * HOUR)
    arrival = begin - DAY
    for _ in range(draw(st.integers(1, 4 if period == DAY else 6))):
        local = datetime.fromtimestamp(at / 1000, ZoneInfo(name)).replace(minute=0, second=0, microsecond=0)
        if period == DAY:
            local = local.replace(hour=0) + timedelta(milliseconds=offset)
        else:
            local += timedelta(milliseconds=offset + period * draw(st.integers(0, 3)))
        edge = round(local.timestamp() * 1000)
        ts = edge + draw(st.sampled_from((0, 0, 0, 1, -1, MINUTE, -MINUTE, MINUTE + 1, HOUR, -HOUR)))
        hours = draw(st.sampled_from((period / HOUR, 23, 24, 25) if period == DAY else (period / HOUR,)))
        value = round(KW * hours * draw(st.sampled_from((0.5, 1.2, 1.2, 1.2000001, 0, -0.1))), 6)
        arrival = max(arrival, edge + draw(st.sampled_from((0, period, 2 * period))))
        fields = {"meter": "m", "register": "r", "ts": ts, "value": value}
        records.append((0, arrival, b"m", json.dumps(fields).encode(), ()))
        at += draw(st.sampled_from((period, period, HOUR, 2 * period)))
    return Case(zone, numbered(records), 1)
