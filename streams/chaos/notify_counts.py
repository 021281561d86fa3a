"""What chaos of notification plans, and what it counts afterwards: delivered, doubled, lost and leaked, a kind of fault each. Pure."""

import json
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from zonepulse.schemas.messages.alerts import alert_key, fingerprint
from zonepulse.schemas.values import canonical_json
from zonepulse.streams.notify.routing.state import State

METERS: Final = 6
COMPANIES: Final = ("acorn", "birch")
PEOPLE: Final = {"desk": "", "acorn-1": "acorn", "acorn-2": "acorn", "birch-1": "birch"}
EVERY_S: Final = 0.5
NO_FAULT: Final = "none before"
COUNTS: Final = ("faults", "delivered", "doubled", "lost", "leaked")
Alert = dict[str, Any]
Heard = tuple[str, str, str]
"""Subscriber, identity of the alert, what was said of it."""


@dataclass(slots=True)
class Seen:
    """What a run saw; seconds since its begin."""

    sent: list[tuple[float, Alert]] = field(default_factory=list)
    """Transitions that were written to `zp.alerts`."""
    faults: list[tuple[float, str]] = field(default_factory=list)
    """Ascending."""
    got: dict[str, list[tuple[float, dict[str, Any]]]] = field(default_factory=dict)
    """What each subscriber's receiver took."""
    told: set[tuple[str, str, str, str]] = field(default_factory=set)
    """Heard, and the message's key: what the delivery log calls sent."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What notification has still to do: transitions that it did not take yet, alerts in groups, parcels with their attempts."""

    untaken: int = 0
    gathered: int = 0
    parcels: tuple[tuple[str, int, str], ...] = ()
    next_try_ms: int = 0
    """The latest."""

    @property
    def is_empty(self) -> bool:
        """Whether everything that can be told is told."""
        return not (self.untaken or self.gathered or self.parcels)


def waiting_in(state: State, seen: Seen) -> Waiting:
    """By notification's state as its log has it."""
    known = {identity: entry.row.revision for identity, entry in state.alerts.items()}
    return Waiting(
        untaken=sum(known.get(identity, 0) < row["revision"] for _, identity, row in _rows(seen)),
        gathered=sum(len(group.items) for group in state.groups.values()),
        parcels=tuple(sorted((one.key, one.attempts, one.outcome) for one in state.parcels.values())),
        next_try_ms=max((one.next_try_ms for one in state.parcels.values()), default=0),
    )


def zone_yaml() -> str:
    """Two companies with a few meters each, and their people."""
    register = '{"1.8.0": {carrier: electricity, direction: import, kind: cumulative, unit: kWh, max_power: 1000}}'
    lines = ["zone: {id: chaos, timezone: UTC, factor_regions: [CN], key: meter}", "companies:"]
    lines += [f"  - {{id: {name}}}" for name in COMPANIES]
    lines += ["sites:", *(f"  - {{id: site-{name}, company: {name}}}" for name in COMPANIES), "meters:"]
    for name in COMPANIES:
        lines += [f"  - {{id: {name}-M{n}, site: site-{name}, role: main, registers: {register}}}" for n in range(METERS)]
    lines.append("subscribers:")
    for name, company in PEOPLE.items():
        only = f", company: {company}" if company else ""
        lines.append(f'  - {{id: {name}, to: ["webhook:{name}"], rate_per_hour: 100000{only}}}')
    return "\n".join(lines) + "\n"


def planned_alerts(seed: int, count: int) -> list[tuple[float, Alert]]:
    """(second, transition) in order: each alert is raised; every other one ends some time later."""
    chance, found = random.Random(seed), []
    for n in range(count):
        company = chance.choice(COMPANIES)
        meter, rule = f"{company}-M{chance.randrange(METERS)}", chance.choice(["silent_channel", "stuck", "register_held"])
        labels = {"zone": "chaos", "rule": rule, "meter": meter}
        row = {
            "zone": "chaos", "fingerprint": fingerprint(labels), "starts_at": 1_790_000_000_000 + n, "rule": rule,
            "severity": chance.choice(["warning", "critical"]), "state": "raised", "company": company, "meter": meter, "node": "",
            "ends_at": None, "value": float(n), "expected_low": None, "expected_high": None, "impact_kg": None,
            "evidence": canonical_json({"register": "1.8.0", "others": [f"{c}-M0" for c in COMPANIES]}), "revision": 2 * n + 1,
        }  # fmt: skip
        at_s = n * EVERY_S
        found.append((at_s, row))
        if n % 2:
            end = {"state": "resolved", "ends_at": 1_790_000_100_000 + n, "revision": 2 * n + 2}
            found.append((at_s + chance.uniform(10, 40), row | end))
    return sorted(found, key=lambda one: one[0])


def counted(seen: Seen) -> dict[str, Any]:
    """What was delivered, lost, doubled and leaked.

    `by_fault` says it again by the last fault that had begun: of an alert when it was written, of what came twice or to the wrong one when
    that came. `missing` names what was lost.
    """
    heard, missing = _heard(seen), list(_missing(seen))
    counts = {kind: dict.fromkeys(COUNTS, 0) for kind in (NO_FAULT, *sorted({kind for _, kind in seen.faults}))}
    for _, kind in seen.faults:
        counts[kind]["faults"] += 1
    written = {(identity, row["state"]): at_s for at_s, identity, row in _rows(seen)}
    for _, identity, said in heard:
        counts[_fault_at(seen.faults, written.get((identity, said), 0.0))]["delivered"] += 1
    for at_s, _ in missing:
        counts[_fault_at(seen.faults, at_s)]["lost"] += 1
    for name, receipts in seen.got.items():
        before = Counter[str]()
        for at_s, message in receipts:
            found = counts[_fault_at(seen.faults, at_s)]
            found["doubled"] += before[message["key"]] > 0
            found["leaked"] += _is_leak(name, message)
            before[message["key"]] += 1
    return {
        "alerts": len({identity for _, identity, _ in _rows(seen)}),
        "messages": len({(name, message["key"]) for name, receipts in seen.got.items() for _, message in receipts}),
        **{name: sum(one[name] for one in counts.values()) for name in COUNTS[1:]},
        "by_fault": counts,
        "missing": [{"subscriber": name, "alert": identity, "said": said} for _, (name, identity, said) in missing],
    }


def _fault_at(faults: Sequence[tuple[float, str]], at_s: float) -> str:
    """The last one that had begun."""
    place = bisect_right([begun_s for begun_s, _ in faults], at_s)
    return faults[place - 1][1] if place else NO_FAULT


def _rows(seen: Seen) -> list[tuple[float, str, Alert]]:
    return [(at_s, alert_key(row["fingerprint"], row["starts_at"]).decode(), row) for at_s, row in seen.sent]


def _heard(seen: Seen) -> set[Heard]:
    """What the delivery log calls sent and a receiver has."""
    keys = {(name, message["key"]) for name, receipts in seen.got.items() for _, message in receipts}
    return {(name, identity, said) for name, identity, said, key in seen.told if (name, key) in keys}


def _missing(seen: Seen) -> Iterator[tuple[float, Heard]]:
    """What somebody should have heard and has not: what began and did not end, and the end of what they heard begin."""
    heard, rows = _heard(seen), _rows(seen)
    ended = {identity for _, identity, row in rows if row["state"] == "resolved"}
    for at_s, identity, row in rows:
        for name, company in PEOPLE.items():
            is_theirs, begun = company in ("", row["company"]), (name, identity, "raised") in heard
            is_due = begun if row["state"] == "resolved" else identity not in ended
            if is_theirs and is_due and (name, identity, row["state"]) not in heard:
                yield at_s, (name, identity, row["state"])


def _is_leak(name: str, message: Mapping[str, Any]) -> bool:
    """Whether a subscriber of one company got a word about another."""
    text = json.dumps(message)
    return any(other in text for other in COMPANIES if PEOPLE[name] and other != PEOPLE[name])
