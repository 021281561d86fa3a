"""What is due now: groups that wait, become parcels. Pure: state, subscribers and time in; parcels out, state changed.

| rule | |
|---|---|
| wait | the first alert of a group waits 30 s for others |
| interval | a group speaks at most once in 5 min |
| repeat | what still fires is said again after 4 h, unless acknowledged or snoozed |
| quiet hours, digest | hold everything but critical alerts and their end; one digest follows |
| flood | more than 3 groups of a subscriber due at once are one message |
| rate | beyond a subscriber's messages an hour only critical alerts and their end go out, gathered in one message |
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from zonepulse.schemas.registry.subscribers import Subscriber, Wish
from zonepulse.streams.notify.routing.facts import Directory, is_visible, targets_of
from zonepulse.streams.notify.routing.intake import add, is_held
from zonepulse.streams.notify.routing.state import ALERT, GROUP, HOLD, PARCEL, RATE, Group, Kind, Known, Parcel, Rate, State
from zonepulse.streams.notify.routing.times import HOUR_MS, is_quiet, next_slot_ms

FLOOD_GROUPS: Final = 3
MOST_SHOWN: Final = 20
"""Alerts that a message shows; of the others it says how many they are."""
KEEP_MS: Final = 24 * HOUR_MS
"""How long an alert that is over is remembered, so that reading it again says nothing."""


MOST_WAIT_MS: Final = 6 * HOUR_MS
"""The longest that a parcel waits for its next attempt: as long as a receiver's Retry-After is kept."""


class Pace(NamedTuple):
    """How long groups wait, between messages, and before what still fires is said again; milliseconds."""

    wait_ms: int = 30_000
    interval_ms: int = 300_000
    repeat_ms: int = 4 * HOUR_MS


USUAL: Final = Pace()
WAIT_MS, INTERVAL_MS, REPEAT_MS = USUAL


class Due(NamedTuple):
    """What is said in one message: (group, identity, what) and why it is one."""

    kind: Kind
    items: list[tuple[Group, str, str]]


def plan(
    state: State,
    subscribers: Iterable[Subscriber],
    wishes: Mapping[str, Wish],
    known: Directory,
    now_ms: int,
    pace: Pace = USUAL,
) -> list[Parcel]:
    """The parcels that became due; they are in `state` too."""
    everyone = {s.id: s for s in subscribers}
    _back_to(now_ms, state)
    _escalate(state, everyone, known, now_ms)
    by_subscriber: dict[str, list[Group]] = {}
    for group in state.groups.values():
        by_subscriber.setdefault(group.subscriber, []).append(group)
    made: list[Parcel] = []
    for name, groups in by_subscriber.items():
        subscriber, wish = everyone.get(name), wishes.get(name, Wish())
        if subscriber is None or wish.is_unsubscribed:
            state.forget(name)
        elif subscriber.is_confirmed and now_ms >= wish.paused_until_ms:
            for due in _due(state, subscriber, groups, known, now_ms, pace):
                made += _parcels(state, subscriber, due, now_ms, pace)
    _tidy(state, now_ms, pace)
    return made


def _back_to(now_ms: int, state: State) -> None:
    """The clock was ahead, by more than an hour: nobody waits until it is there again. What was said is still said; it is repeated late."""
    ahead_ms = now_ms + HOUR_MS
    for group in state.groups.values():
        if group.since_ms > ahead_ms:
            group.since_ms = now_ms
            state.changed(group.key)
    for name, rate in state.rates.items():
        if rate.at_ms and max(rate.at_ms) > ahead_ms:
            rate.at_ms = [at for at in rate.at_ms if at <= now_ms]
            state.changed(RATE + name)
    for parcel in state.parcels.values():
        if parcel.next_try_ms > now_ms + MOST_WAIT_MS:
            parcel.next_try_ms = now_ms
            state.changed(PARCEL + parcel.key)
    for identity, entry in state.alerts.items():
        if any(at > ahead_ms for at in entry.told_at_ms.values()):
            entry.told_at_ms = {name: min(at, now_ms) for name, at in entry.told_at_ms.items()}
            state.changed(ALERT + identity)


def _due(state: State, subscriber: Subscriber, groups: list[Group], known: Directory, now_ms: int, pace: Pace) -> list[Due]:
    is_calm = is_quiet(subscriber, now_ms, known.timezone)
    urgent, usual, gathered = list[Due](), list[Due](), list[tuple[Group, str, str]]()
    for group in groups:
        ready = [(group, i, what) for i, what in group.items.items() if _is_ready(state, i, what, known, now_ms)]
        if not ready:
            if not is_calm and not subscriber.digest:
                usual += _repeat(state, group, now_ms, pace)
            continue
        is_escalated = any(what == "escalated" for _, _, what in ready)
        if not is_escalated and now_ms < _speaks_at(group, now_ms, pace):
            continue
        kind: Kind = "escalation" if is_escalated else "alert" if len(ready) == 1 else "group"
        if any(_is_critical(state.alerts[i]) or state.alerts[i].told.get(subscriber.id) == "critical" for _, i, _ in ready):
            urgent.append(Due(kind, ready))
        elif is_calm or now_ms < next_slot_ms(subscriber, group.since_ms, known.timezone):
            continue
        elif subscriber.digest or is_quiet(subscriber, group.since_ms, known.timezone):
            gathered += ready
        else:
            usual.append(Due(kind, ready))
    if gathered:
        usual.append(Due("digest", gathered))
    return _limited(state, subscriber, urgent, usual, now_ms)


def _limited(state: State, subscriber: Subscriber, urgent: list[Due], usual: list[Due], now_ms: int) -> list[Due]:
    """Floods and what is beyond the rate as single messages."""
    spent = [at for at in state.rates.get(subscriber.id, Rate()).at_ms if at > now_ms - HOUR_MS]
    left = subscriber.rate_per_hour - len(spent)
    if left <= 0:
        usual = []
    messages = [*urgent, *usual]
    if len(messages) > min(FLOOD_GROUPS, max(1, left)):
        messages = [Due("flood", [item for due in messages for item in due.items])]
    return messages


def _repeat(state: State, group: Group, now_ms: int, pace: Pace) -> list[Due]:
    if not group.firing or now_ms < group.last_sent_ms + pace.repeat_ms:
        return []
    known = [(i, state.alerts.get(i)) for i in sorted(group.firing)]
    firing = [i for i, k in known if k is not None and not k.is_acknowledged and now_ms >= k.snoozed_until_ms]
    return [Due("repeat", [(group, i, "raised") for i in firing])] if firing else []


def _speaks_at(group: Group, now_ms: int, pace: Pace) -> int:
    is_sent = 0 < group.last_sent_ms <= now_ms + HOUR_MS  # later: the clock was ahead
    return max(group.since_ms + pace.wait_ms, group.last_sent_ms + pace.interval_ms if is_sent else 0)


def _is_ready(state: State, identity: str, what: str, known: Directory, now_ms: int) -> bool:
    entry = state.alerts.get(identity)
    if entry is None:
        return False
    return what == "resolved" or (now_ms >= entry.snoozed_until_ms and not is_held(state, entry.row, known, now_ms))


def _is_critical(entry: Known) -> bool:
    return entry.row.severity == "critical"


def _escalate(state: State, everyone: Mapping[str, Subscriber], known: Directory, now_ms: int) -> None:
    chained = [s for s in everyone.values() if s.escalate_to in everyone]
    if not chained:
        return
    for identity, entry in state.alerts.items():
        if not _is_critical(entry) or entry.row.is_over or entry.is_acknowledged or now_ms < entry.snoozed_until_ms:
            continue
        for one in chained:
            told_at, following = entry.told_at_ms.get(one.id), everyone[one.escalate_to]
            is_late = told_at is not None and now_ms >= told_at + one.escalate_after_ms
            if is_late and following.id not in entry.told and is_visible(entry.row, following, known):
                group = state.group(following.id, entry.group)
                if identity not in group.items:
                    add(state, group, identity, "escalated", now_ms)


def _parcels(state: State, subscriber: Subscriber, due: Due, now_ms: int, pace: Pace) -> list[Parcel]:
    """One for each target; what they tell is told from here on: they are on their way until they arrive or are given up."""
    parcels, thread = [], _thread(subscriber, due)
    for target in subscriber.to:
        items = [(i, what) for _, i, what in due.items if target in targets_of(state.alerts[i].row, subscriber)]
        if not items:
            continue
        shown = sorted(((what, state.alerts[i].row) for i, what in items), key=lambda one: one[1].rank)[:MOST_SHOWN]
        severities = Counter(state.alerts[i].row.severity for i, _ in items)
        said = [(i, w, state.alerts[i].row.revision) for i, w in items]
        key = parcel_key(subscriber.id, target, said, now_ms // pace.repeat_ms if due.kind == "repeat" else None)
        parcels.append(Parcel(key, subscriber.id, target, due.kind, now_ms, items, shown, dict(severities), thread))
    for parcel in parcels:
        state.parcels[parcel.key] = parcel
        state.changed(PARCEL + parcel.key)
    for group, identity, what in due.items:
        _told(state, subscriber, group, identity, what, now_ms)
    spent = state.rates.setdefault(subscriber.id, Rate())
    spent.at_ms = [at for at in spent.at_ms if at > now_ms - HOUR_MS] + [now_ms]
    state.changed(RATE + subscriber.id)
    return parcels


def parcel_key(subscriber: str, target: str, items: Iterable[tuple[str, str, int]], again: int | None = None) -> str:
    """The idempotency key: of (identity, state, subscriber, channel) and, for a repetition, which one it is."""
    said = sorted(f"{identity} {what} {revision}" for identity, what, revision in items)
    return hashlib.sha256("\n".join((subscriber, target, str(again or ""), *said)).encode()).hexdigest()[:24]


def greet(state: State, subscriber: Subscriber, wish: Wish | None, at_ms: int, now_ms: int) -> None:
    """What follows a record of a subscriber: a new one is asked, or gets a test message; `wish` may ask for one."""
    if wish is not None and not wish.test_at_ms:
        return
    kind: Kind = "test" if subscriber.is_confirmed else "confirm"
    for target in subscriber.to:
        key = parcel_key(subscriber.id, target, [(kind, "", wish.test_at_ms if wish else at_ms)])
        state.parcels[key] = Parcel(key, subscriber.id, target, kind, now_ms)
        state.changed(PARCEL + key)


def _thread(subscriber: Subscriber, due: Due) -> str:
    """What a mail reader gathers the messages of an alert's life by; '' where they are of several groups."""
    names = {(group.name, group.episode_ms) for group, _, _ in due.items}
    if len(names) != 1:
        return ""
    ((name, episode),) = names
    return hashlib.sha256(f"{subscriber.id}\n{name}\n{episode}".encode()).hexdigest()[:24]


def _told(state: State, subscriber: Subscriber, group: Group, identity: str, what: str, now_ms: int) -> None:
    entry = state.alerts[identity]
    group.items.pop(identity, None)
    group.last_sent_ms = now_ms
    if what == "resolved":
        entry.told.pop(subscriber.id, None)
    else:
        entry.told[subscriber.id] = entry.row.severity
        entry.told_at_ms.setdefault(subscriber.id, now_ms)
        group.firing.add(identity)
    state.changed(ALERT + identity)
    state.changed(group.key)


def _tidy(state: State, now_ms: int, pace: Pace) -> None:
    """Forgets what can say nothing any more."""
    for key, group in list(state.groups.items()):
        if not group.items and not group.firing and now_ms >= group.last_sent_ms + pace.interval_ms:
            del state.groups[key]
            state.changed(GROUP + key)
    for target, hold in list(state.holds.items()):
        if now_ms >= hold.until_ms:
            del state.holds[target]
            state.changed(HOLD + target)
    old = now_ms - KEEP_MS
    for identity in [i for i, k in state.alerts.items() if k.row.is_over and k.seen_at_ms < old and not k.told]:
        del state.alerts[identity]
        state.changed(ALERT + identity)
