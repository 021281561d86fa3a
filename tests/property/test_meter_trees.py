"""Main and sub meters that disagree at times: core and oracle say the same, wherever the log is cut and whatever is restored."""

import random
from typing import Any

from core_runs import disagreements, emitted, expected, fetches, final
from hypothesis import given, settings
from hypothesis import strategies as st
from small_logs import IMPORT, MINUTE, at, log, meter, reading, zone_text
from snapshots import interrupted_alerts

from zonepulse.oracle.metering.decode import Record

HOUR = 60 * MINUTE
FEWER = settings(max_examples=max(5, settings.default.max_examples // 10))


@st.composite
def trees(draw: Any) -> tuple[str, list[Record]]:
    """One or two main meters with subs, some of them subs of subs; for days the main counts too little, or somebody is not heard."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    hourly = IMPORT | {"kind": "interval", "period": "60m"}
    found = [meter(hourly, name) for name in ("m0", "m1")]
    for i in range(draw(st.integers(1, 4))):
        begins = {"valid_from": "2026-03-05T00:00Z"} if draw(st.booleans()) else {}
        found.append(meter(hourly, f"s{i}", role="sub", parent=draw(st.sampled_from([one["id"] for one in found])), **begins))
    if draw(st.booleans()):
        found.append(meter(hourly | {"direction": "generation"}, "m2", role="generation") | {"site": "s2"})
    steps = draw(st.integers(30, 110))
    share = {one["id"]: chance.choice((0.3, 0.6, 1.0, 1.4)) for one in found}
    turn = {one["id"]: chance.randrange(steps) for one in found}
    sent: list[tuple[str | int, dict[str, Any] | bytes]] = []
    for step in range(steps):
        ts = at("00:00") + (step + 1) * HOUR
        for name, size in share.items():
            if chance.random() > 0.02:
                sent.append((ts + chance.randrange(HOUR), reading(ts, round(10 * (size if step < turn[name] else 1.0), 3), name)))
    sent.sort(key=lambda one: int(one[0]))
    text = zone_text(*found, zone={"window": "60m", "lateness": "2h", "key": "site"})
    return text, log(*sent, (int(sent[-1][0]) + 5 * HOUR, b"[]"))


@FEWER
@given(trees())
def test_core_equals_oracle(made: tuple[str, list[Record]]) -> None:
    text, records = made
    assert disagreements(expected(text, records, 1), final(emitted(text, fetches(records), 1))) == []


@FEWER
@given(trees(), st.lists(st.integers(5, 60), min_size=1, max_size=4))
def test_cuts_and_restarts_change_nothing(made: tuple[str, list[Record]], sizes: list[int]) -> None:
    text, records = made
    whole = emitted(text, fetches(records), 1)["alerts"].to_pylist()
    assert sorted(interrupted_alerts(text, records, sizes), key=repr) == sorted(whole, key=repr)
