"""The channels that detectors watch: what is said of their windows, under which registry version, and what a snapshot holds of them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from zones import zone

from zonepulse.processors.channels.table import Channels, compile_registry
from zonepulse.processors.detection.watch.alerts import found_rows
from zonepulse.processors.detection.watch.calendar import slot_and_day
from zonepulse.processors.detection.watch.state import BYTES_CHANNEL
from zonepulse.processors.detection.watch.watches import Watches
from zonepulse.processors.flow import TURN, new_rows

HOUR = 3_600_000
MONDAY = 1_791_129_600_000
"""2026-10-05T00:00 in Shanghai."""
HOURLY = ("zone: {id: z,", "zone: {id: z, window: 60m, alert_budget: 0.25, expected: true,")


def compiled(*changes: tuple[str, str]) -> Channels:
    return compile_registry(zone(HOURLY, *changes), 1)


def turns(values: list[float], begin: int = 0) -> Any:
    """Turns of the first channel, hour by hour, in kWh."""
    rows = new_rows(TURN, len(values))
    rows["start"] = MONDAY + (begin + np.arange(len(values))) * HOUR
    rows["val"] = np.rint(np.array(values) * 1e6)
    rows["tick"] = (rows["start"] + HOUR) // 60_000 + 1
    return rows


def working(hours: int) -> list[float]:
    """A load that changes a little from hour to hour."""
    return [(10.0 if 7 <= h % 24 < 19 else 2.0) + (h * h % 97) / 100 for h in range(hours)]


def said(watches: Watches, channels: Channels, rows: Any) -> list[str]:
    return [row["state"] for row in found_rows(watches.judge(rows).found, watches.channels_of, channels)]


TAUGHT = 21 * 24


def test_a_spike_is_told_with_its_band_and_what_lies_beyond_it() -> None:
    channels = compiled()
    watches = Watches(channels, np.arange(1))
    assert said(watches, channels, turns(working(TAUGHT))) == []
    raised, ended = found_rows(watches.judge(turns([200.0, *working(60)[1:]], TAUGHT)).found, watches.channels_of, channels)
    assert (raised["state"], raised["meter"], raised["value"]) == ("raised", "M", 200.0)
    assert raised["expected_low"] < 2.0 < raised["expected_high"] < 200.0
    assert raised["starts_at"] == MONDAY + TAUGHT * HOUR
    assert f'"beyond_micro":{round((200.0 - raised["expected_high"]) * 1e6)}' in raised["evidence"]
    assert f'"windows":{TAUGHT}' in raised["evidence"]
    assert (ended["state"], ended["fingerprint"], ended["ends_at"] - ended["starts_at"]) == (
        "resolved",
        raised["fingerprint"],
        24 * HOUR,
    )


def test_what_lasts_within_the_band_is_measured_from_its_middle() -> None:
    """A meter that is dead for two days: what it costs is what these hours usually are."""
    channels = compiled()
    watches = Watches(channels, np.arange(1))
    assert said(watches, channels, turns(working(TAUGHT))) == []
    *_, last = found_rows(watches.judge(turns([0.0] * 48, TAUGHT)).found, watches.channels_of, channels)
    assert last["rule"] == "zero_run" and last["state"] == "updated"
    beyond_kwh = json.loads(last["evidence"])["beyond_micro"] / 1e6
    assert -sum(working(TAUGHT + 48)[TAUGHT:]) < beyond_kwh < -24 * 2.0


def test_an_export_that_never_was_flows_the_other_way() -> None:
    channels = compiled(("direction: import", "direction: export"))
    watches = Watches(channels, np.arange(1))
    assert said(watches, channels, turns([0.0] * TAUGHT)) == []
    (row,) = found_rows(watches.judge(turns([5.0], TAUGHT)).found, watches.channels_of, channels)
    assert (row["rule"], row["severity"], row["value"]) == ("reverse_flow", "critical", 5.0)


def test_an_alarm_of_a_channel_whose_detectors_are_put_off_ends_with_its_next_window() -> None:
    on, off = compiled(), compiled(("    role: main\n", "    role: main\n    detect: off\n"))
    watches = Watches(on, np.arange(1))
    assert said(watches, on, turns([*working(TAUGHT), 200.0])) == ["raised"]
    watches.use(off, np.arange(1), np.arange(1))
    assert said(watches, off, turns([3.0], TAUGHT + 1)) == ["resolved"]
    watches.use(off, np.arange(1), np.arange(1))
    assert len(watches.states) == 0


def test_what_is_known_of_a_channel_goes_on_under_another_version() -> None:
    channels = compiled()
    one, other = Watches(channels, np.arange(1)), Watches(channels, np.arange(1))
    for watches in (one, other):
        watches.judge(turns(working(100)))
    other.use(compiled(("max_power: 1000000", "max_power: 999999")), np.arange(1), np.arange(1))
    rows = turns(working(TAUGHT)[100:], 100)
    assert (one.judge(rows).bands == other.judge(rows).bands).all()
    assert one.states.tobytes() == other.states.tobytes()


def test_only_named_detectors_speak_and_a_register_may_say_otherwise() -> None:
    named = compiled(("    role: main\n", "    role: main\n    detect: [record, zero_run]\n"))
    assert named.versions["detect"].tolist() == [0b1001000]
    own = compiled(
        ("    role: main\n", "    role: main\n    detect: off\n"), ("max_power: 1000000}", "max_power: 1000000, detect: on}")
    )
    assert own.versions["detect"].tolist() == [0b111111111]


@pytest.mark.parametrize("days", [0, 19, 20, 26, 27])
def test_days_are_those_of_the_zones_clock_and_calendar(days: int) -> None:
    channels = compiled(
        ("timezone: Asia/Shanghai", "timezone: Europe/Berlin, calendar: own"),
        ("companies:", "calendars: [{id: own, holidays: ['2026-10-24'], workdays: ['2026-10-25', '2026-10-26']}]\ncompanies:"),
    )
    like = {datetime(2026, 10, 24).date(): 6, datetime(2026, 10, 25).date(): 4}
    for hour in range(30):
        at = datetime(2026, 10, 5, hour % 24, 30, tzinfo=UTC) + timedelta(days=days + hour // 24)
        local = at.astimezone(ZoneInfo("Europe/Berlin"))
        slot, day = slot_and_day(channels.clock, channels.weekdays, round(at.timestamp() * 1000))
        assert (slot, day) == (
            24 * like.get(local.date(), local.weekday()) + local.hour,
            (local.date() - datetime(1970, 1, 1).date()).days,
        )


def test_a_channel_costs_less_than_two_kilobytes() -> None:
    assert BYTES_CHANNEL <= 2048
