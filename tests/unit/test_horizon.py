"""What lies behind the ledger's horizon is no longer booked: said, counted, and the same in the oracle."""

import json

from small_logs import DAY, IMPORT, MINUTE, Rows, alerts, log, meter, reading, rows_of, zone_text

from zonepulse.processors.horizon import OldRows, reach_ms
from zonepulse.schemas.zone_yaml import parse_zone

POLICY = {"max_gap": "1h", "lateness": "15m", "delay": "1m", "tick": "1m"}
REACH = 60 + 15 + 1 + 2 * 15
HOUR = 60 * MINUTE
TEXT = zone_text(meter(IMPORT), meter(IMPORT, "other"), zone=POLICY)


def silence(minutes: int) -> Rows:
    """`m` shows 100 at 00:00 and 00:15, and goes on after a silence; `other` and a heartbeat three hours later keep the zone going."""
    back = DAY + (15 + minutes) * MINUTE
    sent: list[tuple[int, dict[str, object]]] = [(DAY, reading(DAY, 100)), (DAY + 15 * MINUTE, reading(DAY + 15 * MINUTE, 100))]
    sent += [(DAY + k * 15 * MINUTE, reading(DAY + k * 15 * MINUTE, k, "other")) for k in range(1, minutes // 15)]
    sent += [(back, reading(back, 101)), (back + 1, reading(back + 1, 1000, "other"))]
    return rows_of(TEXT, log(*sorted(sent, key=lambda s: s[0]), (back + 3 * HOUR, json.dumps([]).encode())))


def missing(rows: Rows, table: str) -> list[int]:
    """Minutes of the day at which windows of `m` are missing."""
    name = "value_micro" if table == "intervals" else "energy_micro"
    found = [r for r in rows[table] if r["meter"] == "m" and r[name] is None]
    return sorted((round(r["start"].timestamp() * 1000) - DAY) // MINUTE for r in found)


def test_the_reach_is_what_a_reading_in_time_can_revise() -> None:
    assert reach_ms(parse_zone(TEXT).zone) == REACH * MINUTE


def test_missing_rows_of_a_long_silence_are_booked_as_far_as_the_horizon() -> None:
    back = 6 * 60 + 15
    rows = silence(6 * 60)
    shown = missing(rows, "intervals")
    assert shown[:2] == [15, 30]
    assert back - 15 in shown
    booked = missing(rows, "emissions")
    late = [start for start in shown if start >= 15 + 60]
    tick = back + 1
    assert [start for start in booked if start in late] == [start for start in late if start >= tick - REACH]
    assert len(late) > len([start for start in booked if start in late]) > 0


def test_rows_behind_the_horizon_raise_an_alert_that_ends_an_hour_after_the_last() -> None:
    (alert,) = alerts(silence(6 * 60), "ops_row_too_old")
    tick = DAY // MINUTE + 6 * 60 + 16
    assert (alert["state"], alert["severity"]) == ("resolved", "warning")
    assert alert["starts_at"].timestamp() * 1000 == tick * MINUTE
    assert alert["ends_at"].timestamp() * 1000 == (tick + 60) * MINUTE


def test_a_short_silence_is_booked_whole() -> None:
    rows = silence(2 * 60)
    assert missing(rows, "emissions") == missing(rows, "intervals")
    assert alerts(rows, "ops_row_too_old") == []


def test_the_alert_is_raised_once_until_an_hour_has_passed_without_another_row() -> None:
    old = OldRows("z", MINUTE)
    assert [r["state"] for r in old.refuse(100, {"rows": 2})] == ["raised"]
    assert old.refuse(159, {"rows": 1}) == []
    assert old.pass_to(218) == []
    assert [(r["state"], r["starts_at"], r["revision"]) for r in old.refuse(220, {"rows": 1})] == [
        ("resolved", 100 * MINUTE, 219),
        ("raised", 220 * MINUTE, 220),
    ]
    assert [(r["state"], r["revision"]) for r in old.pass_to(300)] == [("resolved", 280)]
    assert old.pass_to(400) == []
