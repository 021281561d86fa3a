"""What lies behind the ledger's horizon is no longer booked: said, counted, and the same in the oracle."""

import json

import numpy as np
import pytest
from small_logs import DAY, IMPORT, MINUTE, Rows, alerts, log, meter, reading, rows_of, zone_text

from zonepulse.processors.channels.table import compile_registry
from zonepulse.processors.flow import ROW, new_rows
from zonepulse.processors.ledger.horizon import OldRows, reach_ms
from zonepulse.processors.ledger.ledger import Ledger
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.bench.ledger_load import START_MS, TICK_MS, WINDOW_MS, CompanyZone

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


@pytest.mark.parametrize("minutes", [60, 2 * 60, 6 * 60])
def test_a_silence_makes_no_row_behind_the_horizon(minutes: int) -> None:
    rows = silence(minutes)
    assert missing(rows, "emissions") == missing(rows, "intervals")
    assert alerts(rows, "ops_row_too_old") == []


def test_a_row_behind_the_horizon_is_counted_and_told_and_not_applied() -> None:
    zone = CompanyZone(companies=1, channels=1)
    channels = compile_registry(zone.registry(), 1)
    ledger, tick = Ledger(channels), START_MS // TICK_MS
    reach = reach_ms(channels.registry.zone)
    for before_ms in (reach - WINDOW_MS, reach + WINDOW_MS):
        row = new_rows(ROW)
        row["start"] = (tick * TICK_MS - before_ms) // WINDOW_MS * WINDOW_MS
        row["channel"], row["revision"], row["version"], row["val"], row["cov"] = 0, tick, channels.first[0], 1_000_000, WINDOW_MS
        ledger.announce(0, channels)
        ledger.offer(0, row.view(np.recarray), tick, channels)
        results = ledger.advance()
        is_old = before_ms > reach
        assert results.too_old == int(is_old)
        assert [a["rule"] for a in results.alerts if a["rule"].startswith("ops_")] == ["ops_row_too_old"] * is_old
        tick += 1


def test_rows_of_ticks_that_are_applied_are_counted_and_vanish() -> None:
    channels = compile_registry(CompanyZone(companies=1, channels=1).registry(), 1)
    ledger, tick = Ledger(channels), START_MS // TICK_MS
    ledger.offer(0, new_rows(ROW).view(np.recarray)[:0], tick, channels)
    ledger.advance()
    rows = np.repeat(new_rows(ROW), 3).view(np.recarray)
    rows["start"], rows["val"], rows["cov"] = START_MS, 1_000_000, WINDOW_MS
    rows["revision"] = tick - 1, tick, tick + 1
    assert ledger.offer(0, rows, tick, channels) == 2
    assert [waiting["revision"].tolist() for waiting in ledger.waiting[0]] == [[tick + 1]]


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
