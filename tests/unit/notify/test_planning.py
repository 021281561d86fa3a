"""What waits, what is due, and to whom: rules of notification as pure functions of state and time."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from notify_parts import transition
from zones import zone

from zonepulse.schemas.messages.alerts import alert_key
from zonepulse.schemas.messages.commands import Command
from zonepulse.schemas.registry.subscribers import Subscriber, Wish
from zonepulse.streams.notify.routing.facts import BadAlert, Directory, Row, directory, parse_row
from zonepulse.streams.notify.routing.intake import take_command, take_row
from zonepulse.streams.notify.routing.planning import INTERVAL_MS, REPEAT_MS, WAIT_MS, plan
from zonepulse.streams.notify.routing.state import BadEntry, Parcel, State

T0 = 1_790_000_100_000
DESK = Subscriber("desk", ("mailto:desk@plant.example",))
HOUR_MS = 3_600_000


def row(rule: str = "silent_channel", **facts: Any) -> Row:
    import json

    return parse_row(json.dumps(transition(rule, **({"company": "a", "meter": "M"} | facts))).encode())


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


class Desk:
    """A zone's notification without its shell."""

    def __init__(self, *people: Subscriber, known: Directory | None = None) -> None:
        self.people, self.state, self.wishes = list(people) or [DESK], State(), dict[str, Wish]()
        self.known = known or directory(zone())

    def take(self, one: Row, now_ms: int) -> bool:
        return take_row(self.state, one, self.people, self.known, now_ms)

    def tell(self, kind: str, target: str, now_ms: int, until_ms: int | None = None) -> None:
        take_command(self.state, Command(kind, target, "me", "why", until_ms), self.people, now_ms)

    def plan(self, now_ms: int) -> list[Parcel]:
        return plan(self.state, self.people, self.wishes, self.known, now_ms)


def said(parcels: list[Parcel]) -> list[tuple[str, str, list[str]]]:
    return [(p.subscriber, p.kind, sorted(what for _, what in p.items)) for p in parcels]


def test_the_first_alert_of_a_group_waits_for_others_and_they_are_one_message() -> None:
    desk = Desk()
    desk.take(row(), T0)
    desk.take(row(starts_at=T0 + 1), T0 + 10_000)
    assert desk.plan(T0 + WAIT_MS - 1) == []
    assert said(desk.plan(T0 + WAIT_MS)) == [("desk", "group", ["raised", "raised"])]
    assert desk.plan(T0 + WAIT_MS + 1) == []


def test_a_group_speaks_at_most_once_in_five_minutes() -> None:
    desk = Desk()
    desk.take(row(), T0)
    assert len(desk.plan(T0 + WAIT_MS)) == 1
    desk.take(row(starts_at=T0 + 1), T0 + WAIT_MS + 1)
    assert desk.plan(T0 + WAIT_MS + INTERVAL_MS - 1) == []
    assert len(desk.plan(T0 + WAIT_MS + INTERVAL_MS)) == 1


def test_what_still_fires_is_said_again_after_four_hours_until_it_is_acknowledged() -> None:
    desk = Desk()
    desk.take(row(), T0)
    told = T0 + WAIT_MS
    desk.plan(told)
    assert desk.plan(told + REPEAT_MS - 1) == []
    assert said(desk.plan(told + REPEAT_MS)) == [("desk", "repeat", ["raised"])]
    desk.tell("acknowledge", row().identity, told + REPEAT_MS + 1)
    assert desk.plan(told + 2 * REPEAT_MS) == []


def test_the_end_goes_to_whom_the_begin_went_and_to_nobody_else() -> None:
    picky = Subscriber("picky", ("mailto:p@plant.example",), severity="critical")
    desk = Desk(DESK, picky)
    desk.take(row(), T0)
    desk.plan(T0 + WAIT_MS)
    desk.take(row(state="resolved", revision=2), T0 + INTERVAL_MS)
    assert said(desk.plan(T0 + WAIT_MS + INTERVAL_MS)) == [("desk", "alert", ["resolved"])]


def test_who_was_not_told_that_it_began_need_not_hear_that_it_ended() -> None:
    desk = Desk()
    desk.take(row(), T0)
    desk.take(row(state="resolved", revision=2), T0 + 10_000)
    assert desk.plan(T0 + WAIT_MS) == []


def test_reading_a_transition_again_says_nothing_again_even_after_its_end() -> None:
    desk = Desk()
    rows = [row(), row(state="resolved", revision=2)]
    desk.take(rows[0], T0)
    desk.plan(T0 + WAIT_MS)
    desk.take(rows[1], T0 + WAIT_MS)
    desk.plan(T0 + WAIT_MS + INTERVAL_MS)
    assert [desk.take(one, T0 + INTERVAL_MS + HOUR_MS) for one in rows] == [False, False]
    assert desk.plan(T0 + 2 * HOUR_MS) == []


def test_a_changed_configuration_does_not_send_everything_anew() -> None:
    desk = Desk()
    desk.take(row(), T0)
    desk.plan(T0 + WAIT_MS)
    desk.people.append(Subscriber("late", ("mailto:late@plant.example",)))
    desk.known = directory(zone(("site: s\n", "site: s2\n")))
    desk.people[0] = replace(DESK, language="zh")
    assert desk.plan(T0 + HOUR_MS) == []


def test_an_update_is_silent_unless_it_is_worse() -> None:
    desk = Desk()
    desk.take(row(), T0)
    desk.plan(T0 + WAIT_MS)
    desk.take(row(state="updated", revision=2, value=2.0), T0 + INTERVAL_MS)
    assert desk.plan(T0 + HOUR_MS) == []
    desk.take(row(state="updated", revision=3, severity="critical"), T0 + HOUR_MS)
    assert said(desk.plan(T0 + HOUR_MS + WAIT_MS)) == [("desk", "alert", ["raised"])]


def test_what_is_acknowledged_or_snoozed_is_silent_and_speaks_when_it_gets_worse_or_the_snooze_is_over() -> None:
    desk = Desk()
    desk.take(row(), T0)
    desk.tell("snooze", row().identity, T0, T0 + HOUR_MS)
    assert desk.plan(T0 + HOUR_MS - 1) == []
    assert len(desk.plan(T0 + HOUR_MS)) == 1
    other = row(meter="", node="n")
    desk.take(other, T0 + HOUR_MS)
    desk.tell("acknowledge", other.identity, T0 + HOUR_MS)
    assert desk.plan(T0 + 2 * HOUR_MS) == []
    desk.take(row(meter="", node="n", state="updated", revision=2, severity="critical"), T0 + 2 * HOUR_MS)
    assert len(desk.plan(T0 + 3 * HOUR_MS)) == 1


def test_a_maintenance_holds_what_matches_until_its_end() -> None:
    desk = Desk()
    desk.tell("maintenance", "site=s rule=silent_channel", T0, T0 + HOUR_MS)
    desk.take(row(), T0)
    desk.take(row("stuck"), T0)
    assert [p.rows[0][1].rule for p in desk.plan(T0 + WAIT_MS)] == ["stuck"]
    assert [p.rows[0][1].rule for p in desk.plan(T0 + HOUR_MS)] == ["silent_channel"]


def test_quiet_hours_hold_what_is_not_critical_and_then_give_one_digest() -> None:
    night = replace(DESK, timezone="Asia/Shanghai", quiet_from_min=22 * 60, quiet_to_min=7 * 60)
    desk, begin = Desk(night), at("2026-10-01T15:00")  # 23:00 there
    for rule in ("silent_channel", "stuck", "gap_too_long"):
        desk.take(row(rule), begin)
    bad = row("no_factor", severity="critical", meter="")
    desk.take(bad, begin)
    assert said(desk.plan(begin + WAIT_MS)) == [("desk", "alert", ["raised"])]
    desk.take(row("no_factor", severity="critical", meter="", state="resolved", revision=2), begin + HOUR_MS)
    assert said(desk.plan(begin + 2 * HOUR_MS)) == [("desk", "alert", ["resolved"])], "the end of a critical one is never swallowed"
    assert desk.plan(at("2026-10-01T22:59")) == []
    assert said(desk.plan(at("2026-10-01T23:00"))) == [("desk", "digest", ["raised"] * 3)]


@pytest.mark.parametrize(("digest", "due"), [("hourly", "2026-10-01T04:00"), ("daily", "2026-10-02T00:00")])
def test_a_digest_gathers_until_its_hour_and_ranks_by_impact(digest: Any, due: str) -> None:
    desk = Desk(replace(DESK, digest=digest, timezone="Asia/Shanghai"))
    begin = at("2026-10-01T03:10")
    desk.take(row("silent_channel", impact_kg=1.0), begin)
    desk.take(row("stuck", impact_kg=20.0), begin)
    assert desk.plan(at(due) - 60_000) == []
    (parcel,) = desk.plan(at(due))
    assert (parcel.kind, [r.rule for _, r in parcel.rows]) == ("digest", ["stuck", "silent_channel"])


def test_ten_thousand_alerts_in_a_minute_are_one_message_that_counts_them() -> None:
    desk = Desk()
    for n in range(10_000):
        desk.take(row(meter=f"M{n}", severity="critical" if n == 77 else "warning"), T0 + n * 6)
    found = desk.plan(T0 + 90_000)
    assert [(p.kind, len(p.items), len(p.rows)) for p in found] == [("group", 10_000, 20)]
    assert found[0].rows[0][1].meter == "M77" and found[0].severities == {"warning": 9_999, "critical": 1}


@pytest.mark.parametrize("wish", [{"digest": "hourly"}, {"quiet_from_min": 0, "quiet_to_min": 1_320}, {}])
def test_ten_thousand_alerts_of_as_many_groups_are_one_digest_and_one_message_of_what_is_critical(wish: dict[str, Any]) -> None:
    desk = Desk(replace(DESK, timezone="UTC", **wish))
    begin = at("2026-10-01T03:10")
    for n in range(10_000):
        severity = "critical" if n % 1_000 == 0 else "warning"
        desk.take(
            row(meter="", node=f"n{n}", company="", impact_kg=float(n), severity=severity, starts_at=begin + n), begin + n * 6
        )
    made = desk.plan(begin + 90_000)
    for identity, _ in made[0].items if wish else ():
        desk.tell("acknowledge", identity, begin + 120_000)
    made += [p for hour in (1, 19) for p in desk.plan(begin + 90_000 + hour * HOUR_MS) if wish]
    told = sorted((p.kind, len(p.items), len(p.rows)) for p in made)
    if not wish:
        assert told == [("flood", 10_000, 20)]
    else:
        assert told == [("digest", 9_990, 20), ("flood", 10, 10)]
        (digest,) = [p for p in made if p.kind == "digest"]
        assert [r.impact_kg for _, r in digest.rows] == [9_999.0 - n for n in range(20)], "what matters most is shown"


def test_many_groups_at_once_are_one_message() -> None:
    desk = Desk()
    for n in range(500):
        desk.take(row(meter="", node=f"n{n}", company=""), T0)
    assert [(p.kind, len(p.items)) for p in desk.plan(T0 + WAIT_MS)] == [("flood", 500)]


def test_beyond_the_rate_only_what_is_critical_goes_out_and_the_rest_is_told_later() -> None:
    desk = Desk(replace(DESK, rate_per_hour=2))
    for n in range(4):
        desk.take(row(meter="", node=f"n{n}"), T0 + n * 60_000)
    sent = [desk.plan(T0 + n * 60_000 + WAIT_MS) for n in range(4)]
    assert [len(s) for s in sent] == [1, 1, 0, 0]
    desk.take(row("no_factor", meter="", severity="critical"), T0 + 300_000)
    assert said(desk.plan(T0 + 300_000 + WAIT_MS)) == [("desk", "alert", ["raised"])]
    later = desk.plan(T0 + 2 * HOUR_MS)
    assert sorted(w for p in later for _, w in p.items) == ["raised"] * 2


def test_a_critical_alert_that_nobody_acknowledges_goes_up_the_chain() -> None:
    boss = Subscriber("boss", ("mailto:boss@plant.example",), severity="critical", rules=("never",))
    desk = Desk(replace(DESK, escalate_to="boss", escalate_after_ms=600_000), boss)
    desk.take(row(severity="critical"), T0)
    desk.plan(T0 + WAIT_MS)
    assert desk.plan(T0 + WAIT_MS + 599_000) == []
    assert said(desk.plan(T0 + WAIT_MS + 600_000)) == [("boss", "escalation", ["escalated"])]
    desk.take(row(severity="critical", state="resolved", revision=2), T0 + HOUR_MS)
    assert {s for s, _, _ in said(desk.plan(T0 + 2 * HOUR_MS))} == {"desk", "boss"}


def test_a_chain_is_climbed_step_by_step_and_one_that_leads_back_ends() -> None:
    step = {"escalate_after_ms": 600_000, "rules": ("never",)}
    people = [replace(DESK, escalate_to="boss", escalate_after_ms=600_000)]
    people += [replace(DESK, id=name, escalate_to=to, **step) for name, to in (("boss", "head"), ("head", "desk"))]
    desk = Desk(*people)
    desk.take(row(severity="critical"), T0)
    told = [said(desk.plan(T0 + WAIT_MS + n * 60_000)) for n in range(60)]
    assert [(n, found) for n, found in enumerate(told) if found] == [
        (0, [("desk", "alert", ["raised"])]), (10, [("boss", "escalation", ["escalated"])]), (20, [("head", "escalation", ["escalated"])]),
    ]  # fmt: skip


def test_the_end_of_what_was_told_as_critical_is_not_held_though_it_was_no_longer_critical() -> None:
    night = replace(DESK, quiet_from_min=0, quiet_to_min=1_439, rate_per_hour=1)
    desk = Desk(night)
    desk.take(row(severity="critical"), T0)
    assert len(desk.plan(T0 + WAIT_MS)) == 1
    desk.take(row(state="updated", revision=2, severity="warning"), T0 + INTERVAL_MS)
    desk.take(row(state="resolved", revision=3, severity="warning"), T0 + INTERVAL_MS)
    assert said(desk.plan(T0 + 2 * INTERVAL_MS)) == [("desk", "alert", ["resolved"])]


def test_who_cannot_be_reached_by_one_channel_hears_of_it_by_another() -> None:
    def undelivered(channel: str) -> Row:
        return row("ops_undelivered", company="", meter="", evidence=f'{{"subscriber":"desk","channel":"{channel}"}}')

    desk = Desk(replace(DESK, to=("mailto:desk@plant.example", "channel:robot", "webhook:erp")), replace(DESK, id="other"))
    desk.take(undelivered("mailto:d***@***.example"), T0)
    assert {(p.subscriber, p.target) for p in desk.plan(T0 + WAIT_MS)} == {
        ("desk", "channel:robot"), ("desk", "webhook:erp"), ("other", "mailto:desk@plant.example"),
    }  # fmt: skip
    alone = Desk(DESK)
    alone.take(undelivered("mailto:d***@***.example"), T0)
    assert alone.plan(T0 + HOUR_MS) == [] and not alone.state.groups


def test_one_that_is_acknowledged_does_not() -> None:
    boss = Subscriber("boss", ("mailto:boss@plant.example",), rules=("never",))
    desk = Desk(replace(DESK, escalate_to="boss"), boss)
    desk.take(row(severity="critical"), T0)
    desk.plan(T0 + WAIT_MS)
    desk.tell("acknowledge", row().identity, T0 + WAIT_MS + 1)
    assert desk.plan(T0 + 2 * HOUR_MS) == []


def test_a_pause_holds_everything_and_who_unsubscribed_is_told_nothing_more() -> None:
    desk = Desk()
    desk.wishes["desk"] = Wish(paused_until_ms=T0 + HOUR_MS)
    desk.take(row(severity="critical"), T0)
    assert desk.plan(T0 + HOUR_MS - 1) == []
    assert len(desk.plan(T0 + HOUR_MS)) == 1
    desk.wishes["desk"] = Wish(is_unsubscribed=True)
    desk.take(row(severity="critical", state="resolved", revision=2), T0 + HOUR_MS)
    assert desk.plan(T0 + 2 * HOUR_MS) == [] and not desk.state.groups


def test_a_clock_that_steps_back_says_nothing_twice() -> None:
    desk = Desk()
    desk.take(row(), T0)
    assert len(desk.plan(T0 + WAIT_MS)) == 1
    assert desk.plan(T0 - 30 * 86_400_000) == desk.plan(T0 + 1) == desk.plan(T0 + WAIT_MS) == []


YEAR_MS = 365 * 86_400_000


def test_a_clock_that_steps_forward_says_once_what_is_due_and_nothing_twice_afterwards() -> None:
    desk = Desk()
    desk.take(row(), T0)
    desk.take(row("stuck"), T0)
    assert len(desk.plan(T0 + WAIT_MS)) == 2
    later = T0 + YEAR_MS
    assert said(desk.plan(later)) == [("desk", "repeat", ["raised"])] * 2, "not once for each four hours that it skipped"
    assert desk.plan(later + 1_000) == []
    desk.take(row(state="resolved", revision=2), later + 2_000)
    assert said(desk.plan(later + INTERVAL_MS)) == [("desk", "alert", ["resolved"])]


def test_a_clock_that_was_ahead_for_a_while_silences_nobody() -> None:
    desk = Desk(
        replace(DESK, rate_per_hour=1, escalate_to="boss", escalate_after_ms=900_000), replace(DESK, id="boss", rules=("x",))
    )
    ahead = T0 + YEAR_MS
    desk.take(row(severity="critical"), ahead)
    (parcel,) = desk.plan(ahead + WAIT_MS)
    parcel.next_try_ms = ahead + HOUR_MS
    assert desk.plan(T0) == [] and parcel.next_try_ms == T0
    assert said(desk.plan(T0 + 900_000)) == [("boss", "escalation", ["escalated"])], "as late as it should be by the right clock"
    desk.take(row(starts_at=T0 + 1), T0 + 900_000)
    assert said(desk.plan(T0 + HOUR_MS + WAIT_MS)) == [("desk", "alert", ["raised"])], "group and rate are not those of next year"


def test_who_does_not_want_ends_hears_of_begins_only_and_of_ends_again_when_they_do() -> None:
    desk = Desk(replace(DESK, send_resolved=False), replace(DESK, id="other"))
    desk.take(row(), T0)
    assert len(desk.plan(T0 + WAIT_MS)) == 2
    desk.take(row(state="resolved", revision=2), T0 + HOUR_MS)
    assert said(desk.plan(T0 + 2 * HOUR_MS)) == [("other", "alert", ["resolved"])]
    desk.people[0] = DESK
    assert desk.plan(T0 + 3 * HOUR_MS) == [], "the end of long ago is not told late"
    desk.take(row(starts_at=T0 + 1), T0 + 4 * HOUR_MS)
    assert len(desk.plan(T0 + 5 * HOUR_MS)) == 2
    desk.take(row(starts_at=T0 + 1, state="resolved", revision=2), T0 + 6 * HOUR_MS)
    assert sorted(said(desk.plan(T0 + 7 * HOUR_MS))) == [("desk", "alert", ["resolved"]), ("other", "alert", ["resolved"])]


def test_the_state_comes_back_from_its_records_exactly() -> None:
    desk, again = Desk(), State()
    for n in range(20):
        desk.take(row(meter=f"M{n % 3}", starts_at=T0 + n), T0 + n * 10_000)
        desk.plan(T0 + n * 20_000)
    desk.tell("maintenance", "site=s", T0, T0 + HOUR_MS)
    for key, value in desk.state.take_changes():
        again.put(key, value)
    for table in ("alerts", "groups", "parcels", "holds", "rates"):
        assert getattr(again, table) == getattr(desk.state, table), table
    assert list(desk.state.take_changes()) == []


def test_an_end_is_told_once_to_whom_the_begin_went_also_after_a_restart() -> None:
    desk, told = Desk(), list[tuple[str, str, list[str]]]()
    for now, one in (
        (T0, row()),
        (T0 + HOUR_MS, row(state="resolved", revision=2)),
        (T0 + 2 * HOUR_MS, row(state="resolved", revision=2)),
    ):
        again = Desk()
        for key, value in [*desk.state.take_changes(), *everything(desk.state)]:
            again.state.put(key, value)
        desk = again
        desk.take(one, now)
        told += said(desk.plan(now + INTERVAL_MS))
    assert told == [("desk", "alert", ["raised"]), ("desk", "alert", ["resolved"])]


def everything(state: State) -> Iterator[tuple[str, bytes | None]]:
    """Its log from the beginning."""
    for prefix, table in (("alert/", state.alerts), ("group/", state.groups), ("rate/", state.rates)):
        for name in table:
            state.changed(prefix + name)
    return state.take_changes()


def test_what_is_over_is_forgotten_in_the_end() -> None:
    desk = Desk()
    for n in range(5):
        desk.take(row(starts_at=T0 + n), T0)
        desk.plan(T0 + n * INTERVAL_MS + WAIT_MS)
        desk.take(row(starts_at=T0 + n, state="resolved", revision=2), T0 + n * INTERVAL_MS + WAIT_MS)
    for hour in range(30):
        desk.plan(T0 + hour * HOUR_MS)
    assert not desk.state.alerts and not desk.state.groups
    assert alert_key("f", 1) == b"f/1"


@pytest.mark.parametrize("value", [b'{"a":' * 5_000, b"[" * 5_000, b"\xff", b"", b"null", b'{"severity":"loud"}'])
def test_what_is_no_transition_or_entry_is_refused_however_deep(value: bytes) -> None:
    with pytest.raises(BadAlert):
        parse_row(value)
    with pytest.raises(BadEntry):
        State().put("alert/x", value)
    assert msgspec.structs.replace(row(), evidence=value.decode("latin-1")).facts().keys() <= {"severity"}
