"""One cause is one alert, and a rule that goes takes its alert with it."""

import json
from dataclasses import replace
from typing import Any

import pytest
from small_logs import IMPORT, at, meter, on_time, reading, rows_of, zone_text
from zones import small, zone

from zonepulse.processors.channels.table import compile_registry
from zonepulse.processors.detection.meter.rules import RULES
from zonepulse.processors.detection.rules import Alert
from zonepulse.processors.ledger.inhibition import Groups
from zonepulse.processors.ledger.ledger import Ledger
from zonepulse.schemas.messages.alerts import INHIBITS, SILENT
from zonepulse.schemas.zone_file.read import parse_zone

METER = """  - {{id: {0}, site: {1}, {2}role: main, valid_from: 2024-01-01,
     registers: {{"1": {{carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 9}}}}}}
"""
SITES = (("A", "s", "gateway: g, "), ("B", "s", "gateway: g, "), ("C", "s", ""), ("D", "s2", ""))
GATEWAY = "gateways: [{id: g, site: s}]\n"
MINUTE = 60_000
START = 29_000_000
"""A tick of a minute, in 2025."""


def a_zone(meters: tuple[tuple[str, str, str], ...] = SITES) -> str:
    text = small()
    return GATEWAY + text[: text.index("  - id: M\n")] + "".join(METER.format(*meter) for meter in meters)


def silence(meter: str, tick: int, ends_at: int | None = None, begun: int = START) -> dict[str, Any]:
    state, labels = "raised" if ends_at is None else "resolved", {"meter": meter, "register": "1"}
    return Alert(
        "z", SILENT, labels, "warning", state, begun * MINUTE, tick, {"register": "1", "windows": 3}, ends_at, meter=meter
    ).row()


class Told:
    """A ledger of one partition, and what it said."""

    def __init__(self, text: str) -> None:
        self.ledger = Ledger(compile_registry(parse_zone(text), 1))

    def up_to(self, tick: int, *proposed: dict[str, Any]) -> list[tuple[str, str, str, int]]:
        """Rule, meter, state and tick of what is said up to a tick."""
        self.ledger.offer_alerts(0, list(proposed))
        self.ledger.through[0] = tick
        said = self.ledger.advance().alerts
        return sorted((row["rule"], row["meter"], row["state"], row["revision"] - START) for row in said)


def test_one_silent_gateway_is_one_alert_and_what_stays_silent_is_told_behind_it() -> None:
    told = Told(a_zone())
    assert told.up_to(START + 14, silence("A", START), silence("B", START + 9)) == []
    assert told.up_to(START + 30) == [("silent_gateway", "", "raised", 24)]
    (row,) = [known.row for known in told.ledger.life.open.values()]
    assert json.loads(row["evidence"]) == {"channels": 2, "gateway": "g"} and (row["company"], row["starts_at"]) == (
        "a",
        START * MINUTE,
    )
    back = silence("A", START + 40, (START + 37) * MINUTE)
    assert told.up_to(START + 54, back) == [("silent_gateway", "", "resolved", 40)]
    assert told.up_to(START + 60) == [(SILENT, "B", "raised", 55)]
    assert told.up_to(START + 70, silence("B", START + 61, (START + 60) * MINUTE)) == [(SILENT, "B", "resolved", 61)]


def test_a_meter_alone_is_told_after_a_period_and_a_silent_site_takes_its_gateway() -> None:
    told = Told(a_zone())
    assert told.up_to(START + 20, silence("A", START)) == [(SILENT, "A", "raised", 15)]
    assert told.up_to(START + 60, silence("B", START + 22), silence("C", START + 30)) == [("silent_site", "", "raised", 45)]
    assert told.up_to(START + 99, silence("D", START + 70)) == [("silent_zone", "", "raised", 85)]


def test_groups_of_the_same_channels_are_one() -> None:
    channels = compile_registry(parse_zone(a_zone(SITES[:2])), 1)
    groups = Groups(channels)
    assert [group.rule for n, group in enumerate(groups.named) if len(groups.members(n))] == ["silent_gateway"]
    assert groups.around(groups.members(0)) == [0]


def test_a_held_register_hides_what_its_readings_look_like() -> None:
    told = Told(a_zone())
    labels = {"meter": "D", "register": "1"}
    rows = [
        Alert("z", rule, labels, "warning", "raised", START * MINUTE, START, {"register": "1"}, meter="D").row()
        for rule in ("unusual", "register_held")
    ]
    assert told.up_to(START + 1, *rows) == [("register_held", "D", "raised", 0)]
    over = {**rows[1], "state": "resolved", "ends_at": (START + 2) * MINUTE, "revision": START + 3}
    assert told.up_to(START + 4, over) == [("register_held", "D", "resolved", 3), ("unusual", "D", "raised", 3)]


def test_what_inhibits_is_named_as_the_rules_are() -> None:
    assert {*INHIBITS} - {"zero_run"} <= {rule.id for rule in RULES} and SILENT in {rule.id for rule in RULES}


def test_a_rule_that_goes_resolves_its_alert() -> None:
    rule = "rules:\n  - {id: busy, on: company, when: {indicator: energy_kwh, above: 1}}\n"
    before = compile_registry(zone(more=rule), 1)
    ledger = Ledger(before)
    ledger.offer(0, ledger._entries[:0], START, before)
    ledger.advance()
    (state,) = [state for subject in ledger.watches.subjects for _, state in subject.rules if subject.named.name == "a"]
    state.active_since, state.raised_at = (START - 30) * MINUTE, 2.0
    after = compile_registry(replace(zone(), version=2), 1, before.names)
    ledger.announce(0, after)
    assert ledger.advance().alerts == []
    ledger.through[0] = START + 5
    (row,) = ledger.advance().alerts
    assert (row["rule"], row["company"], row["state"], row["value"]) == ("busy", "a", "resolved", 2.0)
    assert (row["starts_at"], row["ends_at"], row["revision"]) == ((START - 30) * MINUTE, START * MINUTE, START + 1)


@pytest.mark.parametrize("silent", [2, 3, 4, 9])
def test_a_silence_whose_alert_begins_in_the_tick_that_ends_it_is_never_said(silent: int) -> None:
    """It waits for that of its site; a window without anything is judged as late as the next one, which is heard."""
    power = IMPORT | {"kind": "power", "unit": "kW", "max_power": 10}
    text = zone_text(meter(power), meter(power, "n"))
    quarters = [at("02:00") + 15 * MINUTE * k for k in range(24)]
    gone = set(quarters[8 : 8 + silent])
    sent = sorted(
        [reading(ts, 1, "n") for ts in quarters] + [reading(ts, 1) for ts in quarters if ts not in gone], key=lambda r: r["ts"]
    )
    events = rows_of(text, on_time(*sent))["alert_events"]
    said = [row["state"] for row in events if row["rule"] == "silent_channel" and row["meter"] == "m"]
    assert said in ([], ["raised", "resolved"]) and (silent < 9 or said), "never a lone end"
