"""The life cycle of alerts says what its plain twin says, however its ticks are cut, and goes on from a snapshot as if nothing had been."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from zonepulse.oracle.life_cycle import said, tick_of
from zonepulse.processors.ledger.life_cycle import LifeCycle
from zonepulse.schemas.messages.commands import Command, parse_command

TICK_MS = 600_000
PLACES = {"m0": {"site": "s0", "gateway": "g0"}, "m1": {"site": "s0", "gateway": ""}}
TARGETS = ("rule=peak", "meter=m0 severity=warning", "site=s0", "gateway=g0", "nothing", "rule=")


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[tuple[int, Command]]]:
    """Transitions of up to three fingerprints, each in order, and commands at times."""
    proposed: list[dict[str, Any]] = []
    identities: list[str] = []
    for number in range(draw(st.integers(1, 3))):
        rule = draw(st.sampled_from(("peak", "peak", "series_restarted")))
        tick, starts_at, is_open = 0, 0, False
        for _ in range(draw(st.integers(1, 9))):
            tick += draw(st.sampled_from((0, 1, 1, 2, 3, 7, 90 * 144)))
            states = ("resolved", "updated") if is_open else ("raised",)
            state = draw(st.sampled_from(states))
            starts_at = tick * 10 + len(proposed) if state == "raised" else starts_at
            is_open = state != "resolved"
            row = {
                "fingerprint": f"{number:016}", "starts_at": starts_at, "rule": rule, "state": state, "company": "", "node": "",
                "severity": draw(st.sampled_from(("warning", "warning", "critical"))) if state == "updated" else "warning",
                "meter": f"m{number}", "ends_at": tick if state == "resolved" else None, "evidence": "{}", "revision": tick,
            }  # fmt: skip
            proposed.append(row)
            identities.append(f"{row['fingerprint']}/{starts_at}")
    commands = []
    for at_ms in sorted(draw(st.lists(st.integers(0, 30 * TICK_MS), max_size=6))):
        kind = draw(st.sampled_from(("acknowledge", "acknowledge", "snooze", "comment", "maintenance")))
        target = draw(st.sampled_from(TARGETS if kind == "maintenance" else identities))
        until_ms = draw(st.integers(0, 40 * TICK_MS)) if kind in ("snooze", "maintenance") else None
        commands.append((at_ms, Command(kind, target, "me", draw(st.sampled_from(("why", ""))), until_ms)))
    return proposed, commands


def final(rows: list[dict[str, Any]]) -> dict[tuple[str, int, int], dict[str, Any]]:
    """What is said of each alert at each tick, last."""
    return {(row["fingerprint"], row["starts_at"], row["revision"]): row for row in rows}


@given(stories(), st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_the_life_cycle_is_that_of_its_twin_wherever_it_is_cut_and_frozen(
    story: tuple[list[dict[str, Any]], list[tuple[int, Command]]], steps: list[int]
) -> None:
    proposed, commands = story
    until = max(row["revision"] for row in proposed) + 20
    told = [(tick_of(at, TICK_MS), json.loads(command.encode())) for at, command in commands]
    wanted = said(proposed, told, until, TICK_MS, PLACES)
    life, got, before, k = LifeCycle(TICK_MS), list[dict[str, Any]](), -1, 0
    ticks = sorted({*(row["revision"] for row in proposed), *(tick for tick, _ in told), until})
    while before < until:
        later = [tick for tick in ticks if tick > before]
        after = later[min(steps[k % len(steps)], len(later)) - 1]
        k += 1
        for offset, (at, command) in enumerate(commands):  # all of the log up to there, again and again
            if at < after * TICK_MS:
                life.tell(offset, at, parse_command(command.encode()))
        rows = [row for row in proposed if before < row["revision"] <= after]
        got += life.pass_to(after, sorted(rows, key=lambda row: row["revision"]), lambda meter: PLACES.get(meter, {}))
        before, held = after, json.loads(json.dumps(life.held()))
        life = LifeCycle(TICK_MS)
        life.resume(held)
    assert final(got) == final(wanted)
    assert len(got) == len(final(got))
