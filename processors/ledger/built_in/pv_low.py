"""pv_low: panels that yield less than others under the same sky (schemas/messages/alerts.py is the contract)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any, Final

from zonepulse.processors.accounting.window_sums import WindowSums
from zonepulse.processors.channels.periods import DAY_MS, day_of, to_utc
from zonepulse.processors.channels.table import Channels
from zonepulse.processors.detection.rules import Alert
from zonepulse.processors.ledger.built_in.compared import Compared
from zonepulse.processors.ledger.impact import Impact
from zonepulse.processors.ledger.subjects import Count, Due, Named, OfParts, Where, version_number, where_is
from zonepulse.schemas.carriers import ELECTRICITY
from zonepulse.schemas.registry.model import MeterVersion, Register
from zonepulse.schemas.units import MICRO

MAJOR: Final = (3, 3)
"""Below three fifths of the others' yield, on three days in a row."""
MINOR: Final = (4, 7)
"""Below four fifths, on seven."""
SUNNY: Final = MICRO
"""Micro-kWh per kWp of the others from which on a day tells anything: 1 kWh per kWp."""
LEAST_OTHERS: Final = 2


@dataclass(slots=True)
class _Run:
    """Days in a row below a share of the others."""

    days: int = 0
    since: int = 0
    missing: int = 0
    """Micro-kWh."""


@dataclass(slots=True)
class _Plant:
    """What is remembered of a register. The day's yield is micro-kWh per kWp."""

    made: int = 0
    covered: int = 0
    """Lit windows of the day that it covers."""
    runs: list[_Run] = field(default_factory=lambda: [_Run(), _Run()])
    """Of MAJOR and MINOR."""
    raised: tuple[int, float, float, dict[str, Any]] | None = None
    """starts_at, value, expected_low and evidence of the alert that is on."""


class PvLow(Compared):
    """The plants of a zone, day by day of its calendar."""

    rule = "pv_low"

    def __init__(self, channels: Channels, impact: Impact) -> None:
        super().__init__(channels, impact)
        found = [(m, r) for m in channels.registry.meters for r in m.registers if _is_plant(r)]
        counts = {version_number(channels, m, r): Count([(m.valid_from_ms, m.valid_to_ms)], 1) for m, r in found}
        self._group = OfParts(Named("zone", self._zone, {}, lambda at: Where()), counts, self._length_ms)
        self._versions: dict[int, list[tuple[MeterVersion, Register]]] = {}
        for m, r in found:
            self._versions.setdefault(channels.index[m.id, r.id], []).append((m, r))
        self._sites = {site.id: site for site in channels.registry.sites}
        self._plants = {channel: _Plant() for channel in self._versions}
        self._day, self._lit = -1, 0
        """Number of the day that is gathered, -1: none; its windows in which anybody generated."""
        self._watch([self._group])

    def judge(self, first: int, last: int, due: Due, windows: WindowSums) -> Iterator[dict[str, Any]]:
        """As Compared has it."""
        for start, tick, facts in self._group.ready(first, last, due, windows) if self._group.waits else ():
            day = int(day_of(self._channels.clock, start, 0))
            if day != self._day:
                yield from self._close(tick)
                self._day, self._lit = day, 0
            is_lit = any(value > 0 for _, value in facts.parts)
            self._lit += is_lit
            for channel, value in facts.parts:
                plant = self._plants[channel]
                plant.made += value * 1000 // self._watts(channel, start)
                plant.covered += is_lit

    def _close(self, tick: int) -> Iterator[dict[str, Any]]:
        """Judge the gathered day."""
        begin = int(to_utc(self._channels.clock, self._day * DAY_MS)) if self._day >= 0 else 0
        known = {c: plant.made for c, plant in self._plants.items() if 4 * plant.covered >= 3 * self._lit > 0}
        for channel, plant in self._plants.items():
            others = sorted(made for other, made in known.items() if other != channel)
            if channel in known and len(others) >= LEAST_OTHERS and (usual := others[(len(others) - 1) // 2]) >= SUNNY:
                yield from self._judged(channel, usual, begin, tick)
            plant.made = plant.covered = 0

    def _judged(self, channel: int, usual: int, begin: int, tick: int) -> Iterator[dict[str, Any]]:
        plant = self._plants[channel]
        missing = (usual - plant.made) * self._watts(channel, begin) // 1000
        for i, (fifths, _) in enumerate((MAJOR, MINOR)):
            run = plant.runs[i]
            is_low = 5 * plant.made < fifths * usual
            plant.runs[i] = _Run(run.days + 1, run.since if run.days else begin, run.missing + missing) if is_low else _Run()
        if plant.raised is not None:
            if plant.runs[1].days == 0:
                yield self._row(channel, plant.raised, begin, tick)
                plant.raised = None
            return
        told = next((run for run, (_, days) in zip(plant.runs, (MAJOR, MINOR), strict=True) if run.days >= days), None)
        if told is not None:
            plant.raised = self._told(channel, told, plant.made, usual)
            yield self._row(channel, plant.raised, None, tick)

    def _told(self, channel: int, run: _Run, made: int, usual: int) -> tuple[int, float, float, dict[str, Any]]:
        evidence = {
            "days": run.days,
            "missing_micro": run.missing,
            "register": self._versions[channel][0][1].id,
            "share": made / usual,
        }
        cost = self._impact.of_energy(run.missing, self._where(channel, run.since).company, run.since)
        return run.since, made / MICRO, 4 * usual / (5 * MICRO), evidence | cost

    def _row(
        self, channel: int, raised: tuple[int, float, float, dict[str, Any]], ends_at: int | None, tick: int
    ) -> dict[str, Any]:
        starts_at, value, low, evidence = raised
        meter, register = self._channels.names[channel]
        return Alert(
            self._zone, self.rule, {"meter": meter, "register": register}, "warning", "raised" if ends_at is None else "resolved",
            starts_at, tick, evidence, ends_at, *self._where(channel, starts_at), value=value, expected_low=low,
        ).row()  # fmt: skip

    def _where(self, channel: int, at: int) -> Where:
        return where_is([meter for meter, _ in self._versions[channel]], self._sites, at)

    def _watts(self, channel: int, at: int) -> int:
        """Peak power by the version that is valid then, else the first."""
        versions = self._versions[channel]
        kwp = next((r.kwp for m, r in versions if m.valid_from_ms <= at < m.valid_to_ms), versions[0][1].kwp)
        assert kwp is not None
        return max(1, round(kwp * 1000))

    @property
    def names(self) -> frozenset[str]:
        """As Compared has it."""
        return frozenset(self._name(channel) for channel in self._plants)

    def _name(self, channel: int) -> str:
        return "/".join(self._channels.names[channel])

    def given_up(self, names: frozenset[str], applied: int) -> Iterator[dict[str, Any]]:
        """As Compared has it."""
        for channel, plant in self._plants.items():
            if plant.raised is not None and self._name(channel) not in names:
                yield self._row(channel, plant.raised, applied * self._tick_ms, applied + 1)

    def held(self) -> list[Any]:
        """As Compared has it."""
        group = self._group
        plants = {self._name(channel): astuple(plant) for channel, plant in self._plants.items()}
        rows = [[start, [[self._name(channel), *row] for channel, *row in parts]] for start, parts in group.pending()]
        return [group.next_start, group.tick, self._day, self._lit, rows, plants]

    def resume(self, held: Sequence[Any]) -> None:
        """As Compared has it."""
        self._group.next_start, self._group.tick, self._day, self._lit, rows, plants = held
        channels: Mapping[str, int] = {self._name(channel): channel for channel in self._plants}
        self._group.resume([[start, [[channels[name], *row] for name, *row in parts if name in channels]] for start, parts in rows])
        for name, (made, covered, runs, raised) in plants.items():
            if name in channels:
                told = tuple(raised) if raised else None
                self._plants[channels[name]] = _Plant(made, covered, [_Run(*run) for run in runs], told)


def _is_plant(register: Register) -> bool:
    return register.kwp is not None and (register.carrier, register.direction) == (ELECTRICITY, "generation")
