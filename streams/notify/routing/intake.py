"""Transitions and commands -> what waits to be told. Pure: state and time in, state changed.

Reading a record again changes nothing: a transition is known by its revision, a command sets what it says.
"""

from collections.abc import Iterable

from zonepulse.schemas.messages.commands import Command
from zonepulse.schemas.registry.subscribers import SEVERITIES, Subscriber
from zonepulse.streams.notify.routing.facts import Directory, Row, goes_to, group_of, is_visible
from zonepulse.streams.notify.routing.state import ALERT, HOLD, Group, Hold, Known, State


def take_row(state: State, row: Row, subscribers: Iterable[Subscriber], known: Directory, now_ms: int) -> bool:
    """One transition; whether it was new."""
    entry = state.alerts.get(row.identity)
    if entry is not None and row.revision <= entry.row.revision:
        return False
    before = entry.row if entry is not None else None
    if entry is None:
        entry = state.alerts[row.identity] = Known(row, now_ms, group_of(row, known))
    entry.row, entry.seen_at_ms = row, now_ms
    state.changed(ALERT + row.identity)
    if row.is_over:
        _over(state, entry, subscribers, known, now_ms)
    elif row.state == "acknowledged":
        _acknowledged(state, entry, subscribers)
    elif row.state == "raised" or before is None or before.severity != row.severity:
        if before is not None and before.severity != row.severity:
            entry.is_acknowledged = False
        _firing(state, entry, subscribers, known, now_ms)
    return True


def _firing(state: State, entry: Known, subscribers: Iterable[Subscriber], known: Directory, now_ms: int) -> None:
    row = entry.row
    for subscriber in subscribers:
        told = entry.told.get(subscriber.id)
        is_worse = told is None or SEVERITIES.index(row.severity) > SEVERITIES.index(told)
        if is_worse and not entry.is_acknowledged and goes_to(row, subscriber, known):
            add(state, state.group(subscriber.id, entry.group), row.identity, "raised", now_ms)


def _over(state: State, entry: Known, subscribers: Iterable[Subscriber], known: Directory, now_ms: int) -> None:
    """Who was told that it fires is told that it ended; who was not, or does not want it, need not hear of it."""
    identity, by_id = entry.row.identity, {s.id: s for s in subscribers}
    for group in _groups_of(state, entry, by_id):
        if group.items.get(identity, "resolved") != "resolved":
            _drop(state, group, identity)
        if identity in group.firing:
            group.firing.discard(identity)
            state.changed(group.key)
    for name in [n for n in entry.told if n in by_id and not by_id[n].send_resolved]:
        del entry.told[name]
    for name in entry.told:
        if name in by_id and is_visible(entry.row, by_id[name], known):
            add(state, state.group(name, entry.group), identity, "resolved", now_ms)


def _acknowledged(state: State, entry: Known, subscribers: Iterable[Subscriber]) -> None:
    entry.is_acknowledged = True
    state.changed(ALERT + entry.row.identity)
    for group in _groups_of(state, entry, [s.id for s in subscribers]):
        if group.items.get(entry.row.identity, "resolved") != "resolved":
            _drop(state, group, entry.row.identity)


def _groups_of(state: State, entry: Known, subscribers: Iterable[str]) -> list[Group]:
    found = (state.groups.get(f"{name}/{entry.group}") for name in subscribers)
    return [group for group in found if group is not None]


def add(state: State, group: Group, identity: str, what: str, now_ms: int) -> None:
    """Lets an alert wait in a group."""
    if not group.items:
        group.since_ms = now_ms
        if not group.firing and what != "resolved":
            group.episode_ms = now_ms
    group.items[identity] = what
    state.changed(group.key)


def _drop(state: State, group: Group, identity: str) -> None:
    del group.items[identity]
    state.changed(group.key)


def take_command(state: State, command: Command, subscribers: Iterable[Subscriber], now_ms: int) -> None:
    """An acknowledgement, a snooze or a maintenance; other commands are none of notification's."""
    if command.kind == "maintenance" and command.until_ms is not None:
        pairs = (word.partition("=") for word in command.target.split())
        match = {name: value for name, _, value in pairs if value}
        if match and command.until_ms > now_ms:
            state.holds[command.target] = Hold(match, command.until_ms)
        else:
            state.holds.pop(command.target, None)
        state.changed(HOLD + command.target)
        return
    entry = state.alerts.get(command.target)
    if entry is None:
        return
    if command.kind == "acknowledge":
        _acknowledged(state, entry, subscribers)
    elif command.kind == "snooze" and command.until_ms is not None:
        entry.snoozed_until_ms = command.until_ms
        state.changed(ALERT + command.target)


def is_held(state: State, row: Row, known: Directory, now_ms: int) -> bool:
    """Whether a maintenance covers an alert."""
    if not state.holds:
        return False
    meter = known.meters.get(row.meter)
    facts = {
        "rule": row.rule, "company": row.company, "meter": row.meter, "node": row.node, "severity": row.severity,
        "site": meter.site if meter else "", "gateway": meter.gateway if meter else "",
    }  # fmt: skip
    return any(
        now_ms < hold.until_ms and all(facts.get(name) == value for name, value in hold.match.items())
        for hold in state.holds.values()
    )
