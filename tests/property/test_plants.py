"""Plants that fail for days, under clouds and with readings lost: core and oracle say the same, wherever the log is cut."""

import random
from typing import Any

from core_runs import disagreements, emitted, expected, fetches, final
from hypothesis import given, settings
from hypothesis import strategies as st
from small_logs import DAY, IMPORT, MINUTE, log, meter, reading, zone_text
from snapshots import interrupted_alerts

from zonepulse.oracle.metering.decode import Record

HOUR = 60 * MINUTE
FEWER = settings(max_examples=max(5, settings.default.max_examples // 10))


@st.composite
def skies(draw: Any) -> tuple[str, list[Record]]:
    """Three to five plants over some days."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    plant = IMPORT | {"kind": "interval", "period": "60m", "direction": "generation"}
    found = []
    for i in range(draw(st.integers(2, 5))):
        kwp = draw(st.sampled_from((None, 3, 4.5, 4.5, 10)))
        begins = {"valid_from": "2026-03-06T00:00Z"} if draw(st.integers(0, 5)) == 0 else {}
        found.append(meter(plant, f"p{i}", role="generation", **({"kwp": kwp} if kwp else {}), **begins))
    days = draw(st.integers(4, 10))
    clear = [chance.choice((0.2, 1.0, 1.0, 1.0)) for _ in range(days)]
    bad = {one["id"]: (chance.randrange(days), chance.randrange(12), chance.choice((0.0, 0.5, 0.7, 1.0))) for one in found}
    sent: list[tuple[str | int, dict[str, Any] | bytes]] = []
    for step in range(24 * days):
        ts, sun = DAY + (step + 1) * HOUR, clear[step // 24] * max(0.0, 0.6 - abs(step % 24 - 12) / 10)
        for one in found:
            begin, length, share = bad[one["id"]]
            part = share if begin <= step // 24 < begin + length else 1.0
            if chance.random() > 0.02:
                value = round(sun * part * float(one.get("kwp", 4)), 3)
                sent.append((ts + chance.randrange(HOUR), reading(ts, value, one["id"])))
    sent.sort(key=lambda one: int(one[0]))
    zone = {"window": "60m", "lateness": "2h", "key": "site", "timezone": draw(st.sampled_from(("UTC", "Asia/Shanghai")))}
    tariff = {
        "id": "t",
        "carrier": "electricity",
        "price": 0.7,
        "currency": "CNY",
        "unit": "kWh",
        "source": "contract",
        "valid_from": "2026-01-01",
    }
    return zone_text(*found, zone=zone, tariffs=[tariff] if draw(st.booleans()) else []), log(
        *sent, (int(sent[-1][0]) + 5 * HOUR, b"[]")
    )


@FEWER
@given(skies())
def test_core_equals_oracle(made: tuple[str, list[Record]]) -> None:
    text, records = made
    assert disagreements(expected(text, records, 1), final(emitted(text, fetches(records), 1))) == []


@FEWER
@given(skies(), st.lists(st.integers(5, 60), min_size=1, max_size=4))
def test_cuts_and_restarts_change_nothing(made: tuple[str, list[Record]], sizes: list[int]) -> None:
    text, records = made
    whole = emitted(text, fetches(records), 1)["alerts"].to_pylist()
    assert sorted(interrupted_alerts(text, records, sizes), key=repr) == sorted(whole, key=repr)
