"""One cause, one alert: from all that rules propose, what the life cycle takes. Spells of silence first, then each alert by itself."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from zonepulse.oracle.alerts import Transition, raised, resolved
from zonepulse.oracle.zone.registry import Facts, Registry

DETECTORS = (
    "unusual", "level_shift", "night_use", "zero_run", "reverse_flow", "off_hours", "record", "wrong_unit", "wrong_ct",
)  # fmt: skip
KINDS = ("silent_gateway", "silent_site", "silent_zone")
Channel = tuple[str, str]
Spell = tuple[int, int | None]
"""From a tick on until before another; None: it goes on."""


@dataclass
class Group:
    """Channels that share a gateway, a site, or the zone."""

    rule: str
    labels: dict[str, str]
    company: str = ""
    node: str = ""
    channels: set[Channel] = field(default_factory=set)
    wait: int = 0
    spells: list[Spell] = field(default_factory=list)


def let_by(proposed: Iterable[Transition], registry: Registry, until_tick: int) -> list[Transition]:
    """What is let by up to a tick; of each fingerprint in order."""
    rows = sorted((row for row in proposed if row["revision"] <= until_tick), key=lambda row: row["revision"])
    groups = _groups(registry)
    of_groups: list[tuple[Group, Transition]] = []
    for group in groups:
        of_groups += [(group, row) for row in _of_group(group, rows, registry)]
    causes = {rule: _open_spells(rows, rule) for rule in ("register_held", "zero_run")}
    out: list[Transition] = []
    episodes = [(None, row) for row in rows] + of_groups
    for own, story in _episodes(episodes):
        first = story[0]
        channel = (first["meter"], json.loads(first["evidence"]).get("register", ""))
        around, wait = list[Spell](), 0
        if own is not None:
            around = [spell for g in groups if g.channels > own.channels for spell in g.spells]
            wait = own.wait
        elif first["rule"] == "silent_channel":
            mine = [g for g in groups if channel in g.channels]
            around, wait = [spell for g in mine for spell in g.spells], _wait(registry, channel) if mine else 0
        elif first["rule"] in DETECTORS:
            around = causes["register_held"][channel]
        elif first["rule"] == "stuck":
            around = causes["zero_run"][channel]
        out += _told(story, around, wait, until_tick)
    return sorted(out, key=lambda row: row["revision"])


def _told(story: list[Transition], around: list[Spell], wait: int, until_tick: int) -> list[Transition]:
    """An alert from when nothing inhibits it; nothing where that never comes, or comes too late."""
    first, last = story[0], story[-1]
    end = last["revision"] if last["state"] == "resolved" else until_tick + 1
    if first["state"] != "raised" or (not around and not wait):
        return story
    tick = first["revision"] + wait
    while tick < end and any(begin <= tick and (stop is None or tick < stop) for begin, stop in around):
        tick = min((stop for begin, stop in around if begin <= tick and stop is not None and tick < stop), default=end)
    if tick >= end:
        return []
    known = [row for row in story if row["revision"] <= tick][-1]
    return [known | {"state": "raised", "revision": tick}, *(row for row in story if row["revision"] > tick)]


def _episodes(rows: Iterable[tuple[Group | None, Transition]]) -> list[tuple[Group | None, list[Transition]]]:
    """The transitions of each alert from raised to resolved."""
    of_alert: defaultdict[tuple[str, int], list[tuple[Group | None, list[Transition]]]] = defaultdict(list)
    for group, row in rows:
        stories = of_alert[row["fingerprint"], row["starts_at"]]
        if not stories or stories[-1][1][-1]["state"] == "resolved":
            stories.append((group, []))
        stories[-1][1].append(row)
    return [story for stories in of_alert.values() for story in stories]


def _open_spells(rows: list[Transition], rule: str) -> defaultdict[Channel, list[Spell]]:
    """When an alert of the rule was open, by channel."""
    found: defaultdict[Channel, list[Spell]] = defaultdict(list)
    for _, story in _episodes((None, row) for row in rows if row["rule"] == rule):
        channel = (story[0]["meter"], json.loads(story[0]["evidence"])["register"])
        found[channel].append((story[0]["revision"], story[-1]["revision"] if story[-1]["state"] == "resolved" else None))
    return found


def _groups(registry: Registry) -> list[Group]:
    last: dict[str, Facts] = {}
    for facts in (facts for versions in registry.channels.values() for facts in versions):
        if facts.meter not in last or last[facts.meter].valid_from_ms < facts.valid_from_ms:
            last[facts.meter] = facts
    found: dict[tuple[str, ...], Group] = {}
    for channel in registry.channels:
        home = last[channel[0]]
        gateway = registry.gateways.get(channel[0], "")
        if gateway:
            labels = {"gateway": gateway} | ({"company": home.company} if home.company else {})
            found.setdefault(("0", gateway, home.company), Group(KINDS[0], labels, home.company)).channels.add(channel)
        found.setdefault(("1", home.site), Group(KINDS[1], {"site": home.site}, home.company, home.node)).channels.add(channel)
        found.setdefault(("2",), Group(KINDS[2], {})).channels.add(channel)
    kept: list[Group] = []
    for group in sorted(found.values(), key=lambda group: KINDS.index(group.rule)):
        if len(group.channels) > 1 and all(group.channels != smaller.channels for smaller in kept):
            group.wait = max(_wait(registry, channel) for channel in group.channels)
            kept.append(group)
    return kept


def _wait(registry: Registry, channel: Channel) -> int:
    policy = registry.policy
    return -(-max(policy.window_ms, *(facts.period_ms for facts in registry.channels[channel])) // policy.tick_ms)


def _of_group(group: Group, rows: list[Transition], registry: Registry) -> list[Transition]:
    """Its transitions; fills its spells."""
    silent: dict[Channel, int] = {}
    by_tick: defaultdict[int, list[tuple[Channel, Transition]]] = defaultdict(list)
    for row in rows:
        channel = (row["meter"], json.loads(row["evidence"]).get("register", ""))
        if row["rule"] == "silent_channel" and channel in group.channels:
            by_tick[row["revision"]].append((channel, row))
    out, begun = list[Transition](), 0
    for tick, found in sorted(by_tick.items()):
        for channel, row in found:
            if row["state"] == "resolved":
                del silent[channel]
            else:
                silent[channel] = row["starts_at"]
        now_ms = tick * registry.policy.tick_ms
        there = [channel for channel in group.channels if registry.facts_at(*channel, now_ms) is not None]
        is_silent = len(there) > 1 and all(channel in silent for channel in there)
        is_open = bool(out) and out[-1]["state"] == "raised"
        if is_silent and not is_open:
            labels = {"zone": registry.policy.zone, "rule": group.rule} | group.labels
            evidence = {"channels": len(there)} | {k: v for k, v in group.labels.items() if k != "company"}
            severity = "critical" if group.rule == KINDS[2] else "warning"
            columns = {"severity": severity, "company": group.company, "node": group.node}
            out.append(raised(labels, max(silent[c] for c in there), tick, evidence) | columns)
            begun = tick
        elif is_open and not is_silent:
            heard = [row["ends_at"] for _, row in found if row["state"] == "resolved"]
            out.append(resolved(out[-1], min(heard, default=now_ms), tick))
            group.spells.append((begun, tick + group.wait))
    if out and out[-1]["state"] == "raised":
        group.spells.append((begun, None))
    return out
