"""From what rules propose to what is said of alerts: one fingerprint after the other, since none of it depends on another."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from zonepulse.oracle.alerts import Transition, canonical

HOUR_MS = 3_600_000
NINETY_DAYS_MS = 90 * 24 * HOUR_MS
Told = tuple[int, dict[str, Any]]
"""A command's tick, and the command: kind, target, who, why, until_ms."""


def tick_of(ingest_ms: int, tick_ms: int) -> int:
    """The tick that contains a command's time."""
    return ingest_ms // tick_ms + 1


def said(
    proposed: Iterable[Transition], commands: Iterable[Told], until_tick: int, tick_ms: int, places: Mapping[str, Mapping[str, str]]
) -> list[Transition]:
    """What is said up to a tick; `proposed` has the transitions of each fingerprint in order, `places` the meters' site and gateway."""
    of_fingerprint: defaultdict[str, defaultdict[int, list[Transition]]] = defaultdict(lambda: defaultdict(list))
    for row in proposed:
        of_fingerprint[row["fingerprint"]][row["revision"]].append(row)
    known = [(tick, command) for tick, command in commands if tick <= until_tick]
    maintenance = [(tick, command) for tick, command in known if command["kind"] == "maintenance"]
    out: list[Transition] = []
    for fingerprint, by_tick in of_fingerprint.items():
        mine = [
            (t, c)
            for t, c in known
            if c["kind"] in ("acknowledge", "snooze", "comment") and c["target"].split("/")[0] == fingerprint
        ]
        out += _Story(tick_ms, maintenance, places).told(by_tick, mine, until_tick)
    return out


class _Story:
    """One fingerprint."""

    def __init__(self, tick_ms: int, maintenance: list[Told], places: Mapping[str, Mapping[str, str]]) -> None:
        self._tick_ms, self._maintenance, self._places = tick_ms, maintenance, places
        self._hour = -(-HOUR_MS // tick_ms)
        self._out: list[Transition] = []
        self._open: dict[int, dict[str, Any]] = {}
        """starts_at -> row, tick, marks, acknowledged severity."""
        self._moves: list[int] = []
        self._held: dict[str, Any] | None = None
        """starts_at, last tick, ends_at or None, count."""

    def told(self, by_tick: Mapping[int, list[Transition]], commands: list[Told], until_tick: int) -> list[Transition]:
        """Everything that is said, in order."""
        for tick in sorted({*by_tick, *(t for t, _ in commands)}):
            self._let_go(tick - 1)
            for row in by_tick.get(tick, ()):
                self._propose(row, tick)
            self._let_go(tick)
            for _, command in (told for told in commands if told[0] == tick):
                self._obey(command, tick)
        self._let_go(until_tick)
        return self._out

    def _let_go(self, until: int) -> None:
        held = self._held
        if held is None or held["ends_at"] is None or held["tick"] + self._hour > until:
            return
        tick = held["tick"] + self._hour
        self._held, self._moves = None, []
        found = self._remembered(held["starts_at"], tick)
        if found is not None:
            evidence = json.loads(found["row"]["evidence"]) | {"swallowed": held["count"]}
            row = found["row"] | {"ends_at": held["ends_at"], "revision": tick, "evidence": canonical(evidence)}
            self._say(row | {"state": "resolved"}, tick)

    def _propose(self, row: Transition, tick: int) -> None:
        state, is_event = row["state"], row["rule"] in ("series_restarted", "gap_too_long")
        if state != "updated" and not is_event:
            if self._held is not None:
                self._held |= {
                    "tick": tick,
                    "ends_at": row["ends_at"] if state == "resolved" else None,
                    "count": self._held["count"] + 1,
                }
                return
            if state == "resolved" and sum(tick - at < self._hour for at in self._moves) >= 3:
                self._held = {"starts_at": row["starts_at"], "tick": tick, "ends_at": row["ends_at"], "count": 1}
                return
            self._moves.append(tick)
        if state == "updated" and self._held is not None and not is_event:
            row = row | {"starts_at": self._held["starts_at"]}
        self._say(row, tick)

    def _say(self, row: Transition, tick: int) -> None:
        found = self._remembered(row["starts_at"], tick)
        if found is None:
            found = {"marks": {}, "severity": None}
            ends = self._maintained(row, tick)
            if ends:
                found["marks"]["maintenance_until_ms"] = max(ends)
        if found["severity"] != row["severity"]:
            found["severity"] = None
        self._write(found, row, tick)

    def _write(self, found: dict[str, Any], row: Transition, tick: int) -> None:
        if row["state"] != "resolved":
            is_acknowledged = found["severity"] is not None
            row = row | {"state": "acknowledged" if is_acknowledged else row["state"].replace("acknowledged", "updated")}
        if row["state"] == "updated" and any(
            (one["state"], one["starts_at"], one["revision"]) == ("raised", row["starts_at"], row["revision"]) for one in self._out
        ):
            row = row | {"state": "raised"}
        if found["marks"]:
            row = row | {"evidence": canonical(json.loads(row["evidence"]) | found["marks"])}
        self._out.append(row)
        self._open[row["starts_at"]] = found | {"row": row, "tick": tick}
        if row["state"] == "resolved":
            del self._open[row["starts_at"]]

    def _obey(self, command: dict[str, Any], tick: int) -> None:
        found = self._remembered(int(command["target"].split("/")[1]), tick)
        if found is None:
            return
        note = {"at_ms": tick * self._tick_ms, "by": command["who"], "why": command["why"]}
        marks = dict(found["marks"])
        if command["kind"] == "acknowledge":
            marks["acknowledged"] = note
            found = found | {"severity": found["row"]["severity"]}
        elif command["kind"] == "snooze":
            marks["snoozed"] = note | {"until_ms": command["until_ms"]}
        else:
            marks["comments"] = [*marks.get("comments", []), note][-20:]
        self._write(found | {"marks": marks}, found["row"] | {"state": "updated", "revision": tick}, tick)

    def _remembered(self, starts_at: int, tick: int) -> dict[str, Any] | None:
        found = self._open.get(starts_at)
        return None if found is None or tick - found["tick"] >= NINETY_DAYS_MS // self._tick_ms else found

    def _maintained(self, row: Transition, tick: int) -> list[int]:
        facts = {name: row[name] for name in ("rule", "company", "meter", "node", "severity")} | dict(
            self._places.get(row["meter"], {})
        )
        facts |= {name: text for name, text in json.loads(row["evidence"]).items() if name in ("site", "gateway")}
        latest = {command["target"]: command for at, command in self._maintenance if at < tick}
        out = []
        for target, command in latest.items():
            pairs = dict(word.split("=", 1) for word in target.split() if "=" in word and word.split("=", 1)[1])
            if pairs and command["until_ms"] > tick * self._tick_ms and all(facts.get(k) == v for k, v in pairs.items()):
                out.append(command["until_ms"])
        return out
