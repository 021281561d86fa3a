"""The life cycle of alerts: from what rules propose to what is said on `zp.alerts`; schemas/messages/alerts.py is the contract.

Those that come and go are damped; what people say of an alert (zp.commands) stands in each of its rows from then on, until it is over.
An alert is said at most once a tick: the last that is so.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from zonepulse.processors.flow import UNSET
from zonepulse.schemas.messages.alerts import EVENTS
from zonepulse.schemas.messages.commands import Command
from zonepulse.schemas.units import MS_PER_HOUR
from zonepulse.schemas.values import canonical_json

Row = dict[str, Any]
"""Of table `alerts`."""
Identity = tuple[str, int]
FLAPS: Final = 3
"""Transitions said within an hour, after which a resolution waits until an hour has none."""
OPS: Final = "ops_"
MOST_COMMENTS: Final = 20
FORGOTTEN_MS: Final = 90 * 24 * MS_PER_HOUR
"""What was said last so long ago is no longer known here: commands on it do nothing."""


@dataclass(slots=True)
class Open:
    """An alert that fires, as it was said last."""

    row: Row
    tick: int
    """At which it was said."""
    marks: dict[str, Any] = field(default_factory=dict)
    """What people said of it, for its evidence."""
    acknowledged: str = ""
    """The severity that was acknowledged."""


@dataclass(slots=True)
class Flap:
    """A fingerprint's last transitions. While `held`, its alert fires whatever is proposed."""

    said: list[int] = field(default_factory=list)
    """Ticks of the last FLAPS transitions that were said."""
    held: int | None = None
    """starts_at of the alert that fires on."""
    last: int = 0
    """Tick of the last transition that was proposed."""
    over: int | None = None
    """ends_at of what was proposed last, if that is over."""
    swallowed: int = 0


class LifeCycle:
    """What is open, held and told."""

    def __init__(self, tick_ms: int) -> None:
        self._tick_ms, self._hour = tick_ms, -(-MS_PER_HOUR // tick_ms)
        self.open: dict[Identity, Open] = {}
        self._flaps: dict[str, Flap] = {}
        self._maintenance: dict[str, Command] = {}
        self._commands: list[tuple[int, Command]] = []
        """Tick and command of those that are not applied yet."""
        self.told_to = (UNSET, UNSET)
        """Ingest time and offset of the last command taken: a topic that was made anew begins at offset 0 again, but later."""
        self._passed = self._tidy_at = UNSET

    def tell(self, offset: int, ingest_ms: int, command: Command) -> None:
        """A command at its place in the log; those that are known already vanish."""
        if (ingest_ms, offset) <= self.told_to:
            return
        self.told_to = (ingest_ms, offset)
        self._commands.append((max(ingest_ms // self._tick_ms + 1, self._passed + 1), command))

    def pass_to(self, last: int, proposed: list[Row], places: Callable[[str], Mapping[str, str]]) -> list[Row]:
        """What is said up to tick `last`; `proposed`: all transitions of the ticks since the last call, those of a fingerprint in order.

        Alerts about the pipeline are said as they come. `places` answers site and gateway of a meter, for maintenance windows."""
        out = self.say_of_pipeline([row for row in proposed if row["rule"].startswith(OPS)])
        by_tick: dict[int, list[Row]] = {}
        for row in proposed:
            if not row["rule"].startswith(OPS):
                by_tick.setdefault(row["revision"], []).append(row)
        while (tick := self._next(by_tick, last)) is not None:
            said: dict[Identity, Row] = {}
            for row in by_tick.pop(tick, ()):
                self._say(said, self._damped(row, tick), tick, places)
            for fingerprint in [name for name, flap in self._flaps.items() if self._is_quiet(flap, tick)]:
                self._say(said, self._released(fingerprint, tick), tick, places)
            due = [command for at, command in self._commands if at <= tick]
            self._commands = [(at, command) for at, command in self._commands if at > tick]
            for command in due:
                self._obey(said, command, tick)
            out += said.values()
        self._passed = max(self._passed, last)
        self._forget(last)
        return out

    def _next(self, by_tick: Mapping[int, list[Row]], last: int) -> int | None:
        """The next tick at which something happens, if that is not after `last`."""
        ticks = [*by_tick, *(at for at, _ in self._commands)]
        ticks += [flap.last + self._hour for flap in self._flaps.values() if flap.held is not None and flap.over is not None]
        return min((tick for tick in ticks if tick <= last), default=None)

    # --- damping --------------------------------------------------------------------------------------------------------------

    def _damped(self, row: Row, tick: int) -> Row | None:
        """What is said of a transition now; None: nothing."""
        if row["rule"] in EVENTS:
            return row
        flap, is_over = self._flaps.setdefault(row["fingerprint"], Flap()), row["state"] == "resolved"
        if row["state"] == "updated":
            return row if flap.held is None else {**row, "starts_at": flap.held}
        flap.last = tick
        if flap.held is not None:
            flap.over, flap.swallowed = row["ends_at"] if is_over else None, flap.swallowed + 1
            return None
        recent = [at for at in flap.said if at > tick - self._hour]
        if is_over and len(recent) >= FLAPS:
            flap.held, flap.over, flap.swallowed = row["starts_at"], row["ends_at"], 1
            return None
        flap.said = [*recent, tick][-FLAPS:]
        return row

    def _is_quiet(self, flap: Flap, tick: int) -> bool:
        return flap.held is not None and flap.over is not None and flap.last + self._hour <= tick

    def _released(self, fingerprint: str, tick: int) -> Row | None:
        """The end of an alert that was held."""
        flap = self._flaps.pop(fingerprint)
        known = self._known((fingerprint, flap.held or 0), tick)
        if known is None:
            return None
        evidence = canonical_json(json.loads(known.row["evidence"]) | {"swallowed": flap.swallowed})
        return {**known.row, "state": "resolved", "ends_at": flap.over, "revision": tick, "evidence": evidence}

    # --- what people say ------------------------------------------------------------------------------------------------------

    def _say(self, said: dict[Identity, Row], row: Row | None, tick: int, places: Callable[[str], Mapping[str, str]]) -> None:
        if row is None:
            return
        identity = (row["fingerprint"], row["starts_at"])
        known = self._known(identity, tick)
        if known is None:
            known = Open(row, tick)
            if (until := self._maintained(row, tick, places)) is not None:
                known.marks["maintenance_until_ms"] = until
        if known.acknowledged and known.acknowledged != row["severity"]:
            known.acknowledged = ""
        self._keep(said, identity, known, row, tick)

    def _keep(self, said: dict[Identity, Row], identity: Identity, known: Open, row: Row, tick: int) -> None:
        """Says a row with its marks; an update of what the same tick raised is still that."""
        state = row["state"]
        if state == "updated" and identity in said and said[identity]["state"] == "raised":
            state = "raised"
        if known.acknowledged and state in ("raised", "updated"):
            state = "acknowledged"
        elif not known.acknowledged and state == "acknowledged":
            state = "updated"
        if known.marks:
            row = {**row, "evidence": canonical_json(json.loads(row["evidence"]) | known.marks)}
        known.row, known.tick = {**row, "state": state}, tick
        said[identity] = known.row
        if state == "resolved":
            self.open.pop(identity, None)
        else:
            self.open[identity] = known

    def _obey(self, said: dict[Identity, Row], command: Command, tick: int) -> None:
        if command.kind == "maintenance":
            self._maintenance[command.target] = command
            return
        fingerprint, _, starts_at = command.target.partition("/")
        identity = (fingerprint, int(starts_at or 0))
        known = self._known(identity, tick)
        if known is None:
            return
        told = {"at_ms": tick * self._tick_ms, "by": command.who, "why": command.why}
        state = "updated"
        if command.kind == "acknowledge":
            known.acknowledged, state = known.row["severity"], "acknowledged"
            known.marks["acknowledged"] = told
        elif command.kind == "snooze":
            known.marks["snoozed"] = told | {"until_ms": command.until_ms}
        else:
            known.marks["comments"] = [*known.marks.get("comments", ()), told][-MOST_COMMENTS:]
        self._keep(said, identity, known, {**known.row, "state": state, "revision": self._after(known, tick)}, tick)

    def _known(self, identity: Identity, tick: int) -> Open | None:
        found = self.open.get(identity)
        return None if found is None or found.tick <= tick - FORGOTTEN_MS // self._tick_ms else found

    def _after(self, known: Open, tick: int) -> int:
        """The revision of what is said now: the tick; of the pipeline's alerts, that of the clock they follow."""
        return known.row["revision"] + 1 if known.row["rule"].startswith(OPS) else tick

    def _maintained(self, row: Row, tick: int, places: Callable[[str], Mapping[str, str]]) -> int | None:
        """When the maintenance that covers an alert ends."""
        facts = {name: row[name] for name in ("rule", "company", "meter", "node", "severity")} | dict(places(row["meter"]))
        facts |= {name: text for name, text in json.loads(row["evidence"]).items() if name in ("site", "gateway")}
        ends = [
            command.until_ms
            for command in self._maintenance.values()
            if command.until_ms is not None and tick * self._tick_ms < command.until_ms and _matches(command.target, facts)
        ]
        return max(ends, default=None)

    def say_of_pipeline(self, rows: list[Row]) -> list[Row]:
        """Alerts about the pipeline are said as they come."""
        out: list[Row] = []
        for row in rows:
            said: dict[Identity, Row] = {}
            self._say(said, row, max(self._passed, row["starts_at"] // self._tick_ms), lambda meter: {})
            out += said.values()
        return out

    def go_on_after(self, before: "LifeCycle") -> list[Row]:
        """In the place of another state: its alerts about the pipeline last on, and of the others those that nobody knows here are over.
        Returns transitions."""
        over = []
        for identity, known in before.open.items():
            if known.row["rule"].startswith(OPS):
                self.open[identity] = known
            elif identity not in self.open:
                tick = max(before._passed, known.row["revision"] + 1)
                ends_at = max(tick * self._tick_ms, known.row["starts_at"])
                over.append({**known.row, "state": "resolved", "ends_at": ends_at, "revision": tick})
        return over

    def unknown_to(self, before: "LifeCycle") -> list[Row]:
        """What fires here and not there, as it was said last; alerts about the pipeline left out."""
        new = [known.row for identity, known in self.open.items() if identity not in before.open]
        return [row for row in new if not row["rule"].startswith(OPS)]

    def _forget(self, last: int) -> None:
        """What can matter no more, once an hour: no decision depends on when."""
        if last < self._tidy_at:
            return
        self._tidy_at = last + self._hour
        self._flaps = {name: flap for name, flap in self._flaps.items() if flap.held is not None or flap.last > last - self._hour}
        self._maintenance = {
            target: command
            for target, command in self._maintenance.items()
            if command.until_ms is not None and command.until_ms > last * self._tick_ms
        }
        before = last - FORGOTTEN_MS // self._tick_ms
        self.open = {identity: known for identity, known in self.open.items() if known.tick > before}

    # --- snapshots ------------------------------------------------------------------------------------------------------------

    def held(self) -> dict[str, Any]:
        """Its state, as JSON."""
        return {
            "open": [asdict(known) for known in self.open.values()],
            "flaps": [[name, asdict(flap)] for name, flap in self._flaps.items()],
            "maintenance": [asdict(command) for command in self._maintenance.values()],
            "commands": [[tick, asdict(command)] for tick, command in self._commands],
            "told_to": list(self.told_to),
            "passed": self._passed,
        }

    def resume(self, held: Mapping[str, Any]) -> None:
        """Go on from what was held."""
        found = [Open(**known) for known in held["open"]]
        self.open = {(known.row["fingerprint"], known.row["starts_at"]): known for known in found}
        self._flaps = {name: Flap(**flap) for name, flap in held["flaps"]}
        self._maintenance = {command["target"]: Command(**command) for command in held["maintenance"]}
        self._commands = [(tick, Command(**command)) for tick, command in held["commands"]]
        self.told_to, self._passed = (held["told_to"][0], held["told_to"][1]), held["passed"]


def _matches(target: str, facts: Mapping[str, str]) -> bool:
    """Whether `rule=... meter=...` holds of an alert; a target without any pair matches nothing."""
    pairs = [word.partition("=") for word in target.split()]
    wanted = {name: value for name, _, value in pairs if value}
    return bool(wanted) and all(facts.get(name) == value for name, value in wanted.items())
