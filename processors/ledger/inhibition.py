"""One cause, one alert: what rules propose, less what another alert says already. schemas/messages/alerts.py is the contract.

What is kept back is said when its cause is over, if it is still so then. Channels are numbers here, groups too.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.channels.table import Channels
from zonepulse.processors.detection.rules import Alert
from zonepulse.processors.flow import UNSET
from zonepulse.schemas.messages.alerts import INHIBITS, SILENT, SILENT_GROUPS

Row = dict[str, Any]
"""Of table `alerts`."""
Identity = tuple[str, int]
_INHIBITED: Final = frozenset(rule for rules in INHIBITS.values() for rule in rules)
_OF_A_CHANNEL: Final = frozenset((SILENT, *INHIBITS, *_INHIBITED))
_NONE: Final = -1


class Group(NamedTuple):
    """Channels that fall silent together where what they share fails."""

    rule: str
    labels: tuple[tuple[str, str], ...]
    company: str
    node: str


@dataclass(slots=True)
class _Kept:
    """An alert that is not said yet; it may be from tick `due` on."""

    row: Row
    due: int


class Groups:
    """The gateways (of each company that has meters there), sites and the zone of a registry version, by their channels; of equal ones the
    first, none of a single channel. A meter is where its last version is."""

    def __init__(self, channels: Channels) -> None:
        registry, names = channels.registry, channels.names
        sites = {site.id: site for site in registry.sites}
        meters = {meter.id: (sites[meter.site], meter.gateway) for meter in registry.meters}
        self.named: list[Group] = []
        self.of = np.full((len(SILENT_GROUPS), len(names)), _NONE, np.int64)
        """[kind, channel] -> group."""
        numbers: dict[Group, int] = {}
        for channel, (meter, _) in enumerate(names):
            if meter not in meters:
                continue
            site, gateway = meters[meter]
            company = (("company", site.company),) if site.company else ()
            found = (
                Group(SILENT_GROUPS[0], (*company, ("gateway", gateway)), site.company, "") if gateway else None,
                Group(SILENT_GROUPS[1], (("site", site.id),), site.company, site.node),
                Group(SILENT_GROUPS[2], (), "", ""),
            )
            for kind, group in enumerate(found):
                if group is not None:
                    self.of[kind, channel] = numbers.setdefault(group, len(numbers))
        self.named = list(numbers)
        self._members = [np.zeros(0, np.int64)] * len(numbers)
        for kind, of in enumerate(self.of if names else ()):
            self._gather(kind, of)

    def _gather(self, kind: int, of: NDArray[np.int64]) -> None:
        order = np.argsort(of, kind="stable")
        found, first = np.unique(of[order], return_index=True)
        for group, members in zip(found.tolist(), np.split(order, first[1:]), strict=True):
            if group == _NONE:
                continue
            if len(members) < 2 or any(self._is_whole(smaller[members]) for smaller in self.of[:kind]):
                of[members] = _NONE
            else:
                self._members[group] = members

    def _is_whole(self, of: NDArray[np.int64]) -> bool:
        """Whether channels of these groups are all of one group, and all that it has."""
        group = int(of[0])
        return group != _NONE and len(self._members[group]) == len(of) and bool((of == group).all())

    def members(self, group: int) -> NDArray[np.int64]:
        """Its channels, ascending."""
        return self._members[group]

    def around(self, channels: NDArray[np.int64]) -> list[int]:
        """The groups that hold all of these channels."""
        if not len(channels):
            return []
        first = self.of[:, channels[0]]
        return [int(g) for g, of in zip(first, self.of, strict=True) if g != _NONE and (of[channels] == g).all()]


class Inhibition:
    """What is silent, what inhibits, and what is kept back."""

    def __init__(self, channels: Channels) -> None:
        self._silent: dict[tuple[str, str], int] = {}
        """Meter and register of open alerts `silent_channel`, said or not -> starts_at."""
        self._open: dict[Group, Row] = {}
        """Alerts of groups, said or not."""
        self._printed: dict[str, Group] = {}
        """Fingerprint -> group of what is open."""
        self._lingers: dict[Group, int] = {}
        """Groups that are heard again -> the tick from which on they inhibit no more."""
        self._causes: dict[tuple[str, str, str], None] = {}
        """Rule, meter and register of open alerts that inhibit others."""
        self._kept: dict[Identity, _Kept] = {}
        self._passed = UNSET
        self._use(channels)

    def _use(self, channels: Channels) -> None:
        zone = channels.registry.zone
        self._zone, self._tick_ms, self._channels, self._groups = zone.id, zone.tick_ms, channels, Groups(channels)
        self._number = {group: number for number, group in enumerate(self._groups.named)}
        self._owner = np.repeat(np.arange(len(channels.names)), channels.count)
        longest = np.full(len(channels.names), zone.window_ms, np.int64)
        np.maximum.at(longest, self._owner, channels.versions["period"])
        self._wait = -(-longest // zone.tick_ms)
        self._since = np.full(len(channels.names), UNSET, np.int64)
        for name, starts_at in self._silent.items():
            if name in channels.index:
                self._since[channels.index[name]] = starts_at

    def use(self, channels: Channels, applied: int) -> list[Row]:
        """Go on under another registry version behind tick `applied`; what ends the alerts of groups that it does not have, at the next."""
        self._use(channels)
        ended = {"state": "resolved", "ends_at": applied * self._tick_ms, "revision": applied + 1}
        gone = [group for group in self._open if not self._is_known(group)]
        return [{**self._open.pop(group), **ended} for group in gone]

    def _is_known(self, group: Group) -> bool:
        number = self._number.get(group)
        return number is not None and len(self._groups.members(number)) > 0

    def pass_to(self, last: int, proposed: Iterable[Row]) -> list[Row]:
        """What is let by of `proposed`, the transitions of the ticks since the last call up to tick `last`: their ticks are their
        revisions."""
        by_tick: dict[int, list[Row]] = {}
        for row in proposed:
            by_tick.setdefault(row["revision"], []).append(row)
        out: list[Row] = []
        while (tick := self._next(by_tick, last)) is not None:
            out += self._at(tick, by_tick.pop(tick, []))
            self._passed = max(self._passed, tick)
        self._passed = max(self._passed, last)
        return out

    def _next(self, by_tick: Mapping[int, list[Row]], last: int) -> int | None:
        """The next tick at which something may change, if that is not after `last`."""
        later = [tick for tick in (*(kept.due for kept in self._kept.values()), *self._lingers.values()) if tick > self._passed]
        return min((tick for tick in (*by_tick, *later) if tick <= last), default=None)

    def _at(self, tick: int, rows: list[Row]) -> list[Row]:
        self._lingers = {group: until for group, until in self._lingers.items() if until > tick}
        out, touched, ended = list[Row](), dict[int, None](), dict[int, int]()
        for row in rows:
            wait = 0
            if row["rule"] in _OF_A_CHANNEL:
                wait = self._note(row, touched, ended)
            out += self._let_by(row, tick, wait)
        for row, wait in self._moved(touched, ended, tick):
            out += self._let_by(row, tick, wait)
        for identity, kept in list(self._kept.items()):
            if kept.due <= tick and not self._is_inhibited(kept.row):
                out.append({**kept.row, "revision": tick})
                del self._kept[identity]
        return out

    def _note(self, row: Row, touched: dict[int, None], ended: dict[int, int]) -> int:
        """What a channel's alert says of its groups, and what it inhibits; how many ticks it waits for theirs."""
        name, is_over = _channel(row), row["state"] == "resolved"
        if row["rule"] in INHIBITS:
            _put(self._causes, (row["rule"], *name), None if is_over else ())
        if row["rule"] != SILENT:
            return 0
        _put(self._silent, name, None if is_over else row["starts_at"])
        channel = self._channels.index.get(name)
        if channel is None:
            return 0
        self._since[channel] = UNSET if is_over else row["starts_at"]
        if is_over:
            ended[channel] = row["ends_at"]
        groups = [int(group) for group in self._groups.of[:, channel] if group != _NONE]
        touched.update(dict.fromkeys(groups))
        return int(self._wait[channel]) if groups else 0

    def _moved(self, touched: Mapping[int, None], ended: Mapping[int, int], tick: int) -> list[tuple[Row, int]]:
        """Transitions of groups of which a channel was heard, or not any more, and how long they wait."""
        if not touched:
            return []
        now, versions = tick * self._tick_ms, self._channels.versions
        is_there = np.zeros(len(self._since), bool)
        is_there[self._owner[(versions["valid_from"] <= now) & (now < versions["valid_to"])]] = True
        out = []
        for number in sorted(touched):
            group, members = self._groups.named[number], self._groups.members(number)
            mine = members[is_there[members]]
            is_silent = len(mine) > 1 and bool((self._since[mine] != UNSET).all())
            wait, known = int(self._wait[members].max()), self._open.get(group)
            if is_silent and known is None:
                self._open[group] = row = self._raised(group, len(mine), int(self._since[mine].max()), tick)
                self._printed[row["fingerprint"]] = group
                self._lingers.pop(group, None)
                out.append((row, wait))
            elif known is not None and not is_silent:
                del self._open[group]
                self._lingers[group] = tick + wait
                ends_at = min((ended[c] for c in members.tolist() if c in ended), default=now)
                out.append(({**known, "state": "resolved", "ends_at": ends_at, "revision": tick}, 0))
        return out

    def _raised(self, group: Group, channels: int, starts_at: int, tick: int) -> Row:
        labels = dict(group.labels)
        evidence = {"channels": channels} | {name: text for name, text in labels.items() if name != "company"}
        severity = "critical" if group.rule == SILENT_GROUPS[-1] else "warning"
        return Alert(
            self._zone, group.rule, labels, severity, "raised", starts_at, tick, evidence, company=group.company, node=group.node
        ).row()

    def _let_by(self, row: Row, tick: int, wait: int) -> list[Row]:
        """The row, unless it is kept."""
        identity = (row["fingerprint"], row["starts_at"])
        if (kept := self._kept.get(identity)) is not None:
            if row["state"] == "resolved":
                del self._kept[identity]
            else:
                kept.row = {**row, "state": "raised"}
            return []
        if row["state"] == "raised" and (wait or row["rule"] in _INHIBITED):
            self._kept[identity] = _Kept(row, tick + wait)
            return []
        return [row]

    def _is_inhibited(self, row: Row) -> bool:
        if row["rule"] in SILENT_GROUPS:
            number = self._number.get(self._printed[row["fingerprint"]])
            members = self._groups.members(number) if number is not None else np.zeros(0, np.int64)
            larger = [n for n in self._groups.around(members) if len(self._groups.members(n)) > len(members)]
            return any(self._inhibits(other) for other in larger)
        name = _channel(row)
        if row["rule"] == SILENT:
            channel = self._channels.index.get(name)
            return channel is not None and any(self._inhibits(int(g)) for g in self._groups.of[:, channel] if g != _NONE)
        return any((cause, *name) in self._causes for cause, rules in INHIBITS.items() if row["rule"] in rules)

    def _inhibits(self, number: int) -> bool:
        group = self._groups.named[number]
        return group in self._open or group in self._lingers

    # --- snapshots ------------------------------------------------------------------------------------------------------------

    def held(self) -> dict[str, Any]:
        """Its state, as JSON."""
        return {
            "silent": [[*name, starts_at] for name, starts_at in self._silent.items()],
            "open": [[*group, row] for group, row in self._open.items()],
            "lingers": [[*group, until] for group, until in self._lingers.items()],
            "causes": [list(cause) for cause in self._causes],
            "kept": [[kept.row, kept.due] for kept in self._kept.values()],
            "passed": self._passed,
        }

    def resume(self, held: Mapping[str, Any]) -> None:
        """Go on from what was held."""
        self._silent = {(meter, register): starts_at for meter, register, starts_at in held["silent"]}
        self._open = {_group(*words): row for *words, row in held["open"]}
        self._printed = {row["fingerprint"]: group for group, row in self._open.items()}
        self._lingers = {_group(*words): until for *words, until in held["lingers"]}
        self._causes = {(rule, meter, register): None for rule, meter, register in held["causes"]}
        self._kept = {(row["fingerprint"], row["starts_at"]): _Kept(row, due) for row, due in held["kept"]}
        self._passed = held["passed"]
        self._use(self._channels)


def _group(rule: str, labels: Iterable[Iterable[str]], company: str, node: str) -> Group:
    return Group(rule, tuple((name, text) for name, text in labels), company, node)


def _channel(row: Row) -> tuple[str, str]:
    return row["meter"], json.loads(row["evidence"]).get("register", "")


def _put(where: dict[Any, Any], key: Any, value: Any) -> None:
    """Sets a key; None takes it away."""
    if value is None:
        where.pop(key, None)
    else:
        where[key] = value
