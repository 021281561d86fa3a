"""One cause is one alert, as its plain twin has it, however the ticks are cut, and on from a snapshot as if nothing had been."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from zonepulse.oracle.alerts import raised, resolved
from zonepulse.oracle.inhibition import let_by
from zonepulse.oracle.zone.zone_file import read_registry
from zonepulse.processors.channels.table import compile_registry
from zonepulse.processors.ledger.inhibition import Inhibition
from zonepulse.schemas.factors.shipped import shipped_factors_csv
from zonepulse.schemas.zone_file.read import parse_zone

ZONE = """
zone: {id: z, timezone: UTC, tick: 1m, window: 5m, factor_regions: [CN]}
companies: [{id: c0}, {id: c1}]
sites: [{id: s0, company: c0, node: n}, {id: s1, company: c1, node: n}, {id: s2, node: n}]
gateways: [{id: g0, site: s0}, {id: g1, site: s1}]
meters:
"""
METER = """  - {{id: {id}, site: {site}, {gateway}role: main, valid_from: 1970-01-01, {until}registers: {{{registers}}}}}
"""
REGISTER = '"{}": {{carrier: electricity, direction: {}, kind: cumulative, unit: kWh, max_power: 9, period: {}}}'
SITED = (("M0", "s0", "g0"), ("M1", "s0", "g0"), ("M2", "s0", ""), ("M3", "s1", "g1"), ("M4", "s1", "g1"), ("M5", "s1", "g0"),
         ("M6", "s2", "g1"), ("M7", "s2", ""))  # fmt: skip
RULES = ("silent_channel", "silent_channel", "silent_channel", "register_held", "unusual", "zero_run", "stuck")


@st.composite
def zones(draw: st.DrawFn) -> tuple[str, list[tuple[str, str]]]:
    """A zone of some meters, and its channels."""
    meters = draw(st.lists(st.sampled_from(SITED), min_size=1, max_size=6, unique=True))
    text, channels = ZONE, list[tuple[str, str]]()
    for meter, site, gateway in meters:
        periods = draw(st.lists(st.sampled_from(("5m", "5m", "15m")), min_size=1, max_size=2))
        until = draw(st.sampled_from(("", "", "valid_to: 1970-01-01T00:20:00Z, ")))
        text += METER.format(
            id=meter, site=site, gateway=f"gateway: {gateway}, " if gateway else "", until=until,
            registers=", ".join(REGISTER.format(i, ("import", "export")[i], period) for i, period in enumerate(periods)),
        )  # fmt: skip
        channels += [(meter, str(i)) for i in range(len(periods))]
    return text, channels


@st.composite
def stories(draw: st.DrawFn, channels: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Alerts of channels that come and go, in order of their ticks."""
    rows = []
    for meter, register in channels:
        for rule in draw(st.lists(st.sampled_from(RULES), max_size=3, unique=True)):
            labels = {"zone": "z", "rule": rule, "meter": meter, "register": register}
            tick = 0
            for _ in range(draw(st.integers(1, 3))):
                tick += draw(st.sampled_from((1, 2, 3, 9)))
                rows.append(raised(labels, tick * 60_000 - 30_000, tick, {"register": register, "windows": 3}))
                if draw(st.booleans()) and rule == "unusual":
                    rows.append(rows[-1] | {"state": "updated", "revision": (tick := tick + 1), "value": 1.0})
                if draw(st.integers(0, 3)) == 0:
                    break
                tick += draw(st.sampled_from((1, 4, 9, 20)))
                rows.append(resolved(rows[-1] | {"state": "raised"}, tick * 60_000 - 30_000, tick))
    return sorted(rows, key=lambda row: row["revision"])


@given(st.data())
def test_what_is_let_by_is_what_the_twin_lets_by_wherever_it_is_cut_and_frozen(data: st.DataObject) -> None:
    text, channels = data.draw(zones())
    proposed = data.draw(stories(channels))
    until = max((row["revision"] for row in proposed), default=0) + 40
    wanted = let_by(proposed, read_registry(text, shipped_factors_csv()), until)
    compiled = compile_registry(parse_zone(text), 1)
    steps = data.draw(st.lists(st.integers(1, 30), min_size=1, max_size=5))
    inhibition, got, before, k = Inhibition(compiled), list[dict[str, Any]](), 0, 0
    while before < until:
        after, k = min(before + steps[k % len(steps)], until), k + 1
        got += inhibition.pass_to(after, [row for row in proposed if before < row["revision"] <= after])
        before, held = after, json.loads(json.dumps(inhibition.held()))
        inhibition = Inhibition(compiled)
        inhibition.resume(held)
    assert _told(got) == _told(wanted)


def _told(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return sorted((row["revision"], row["fingerprint"], row["starts_at"], row["state"], str(row)) for row in _columns(rows))


def _columns(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in sorted(row) if name != "zone"} for row in rows]
