"""The intervals core on a bench: a zone of a few registers, fed reading by reading, as an intervals agent feeds it.

Nothing is decided here. Admission, verdicts, windows, revisions and alerts are those of `zonepulse.processors`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from zonepulse.processors.channels.table import compile_registry
from zonepulse.processors.detection.meter.rules import RULES
from zonepulse.processors.flow import BIT_CORRECTED, BIT_ESTIMATED, M_SWAP_GAP, NEVER, NO_UNIT, ReadingColumns
from zonepulse.processors.metering.fold import fold
from zonepulse.processors.metering.partition import Partition
from zonepulse.processors.metering.registers import MS_PER_HOUR, energy_within
from zonepulse.processors.metering.segments import value_of
from zonepulse.processors.metering.state import GONE, empty_heads
from zonepulse.processors.metering.windows import new_work, prepare
from zonepulse.schemas.messages.readings import REASONS
from zonepulse.schemas.registry.model import (
    ALWAYS,
    FOREVER,
    Company,
    Kind,
    MeterChange,
    MeterVersion,
    Register,
    Registry,
    Site,
    ZonePolicy,
)
from zonepulse.schemas.units import MICRO, to_micro

MINUTE_MS = 60_000
DAY_MS = 86_400_000
Channel = tuple[str, str]


@dataclass(frozen=True)
class Setup:
    """What a case fixes of its zone and registers; `modulus` in `unit`, `max_power_kw` in base units per hour."""

    length_ms: int
    period_ms: int
    unit: str = "kWh"
    kind: Kind = "cumulative"
    modulus: float | None = None
    max_power_kw: float | None = None
    """None: more than any reading of a case needs."""
    n_confirm: int = 3
    lateness_ms: int = 400 * DAY_MS
    max_gap_ms: int = 400 * DAY_MS
    tolerance_ms: int = MINUTE_MS
    changes: tuple[MeterChange, ...] = ()

    @property
    def carrier(self) -> str:
        """What the unit measures."""
        return "reactive" if self.unit.endswith("varh") else "electricity"

    @property
    def scale(self) -> Fraction:
        """Micro-units in one `unit`."""
        return to_micro(self.unit, self.carrier, self.kind)[1]

    def registry(self, channels: Iterable[Channel]) -> Registry:
        """A registry of these channels and nothing else."""
        zone = ZonePolicy(
            "bench", {}, (), "Asia/Shanghai", "site", self.length_ms, MINUTE_MS, 5_000, MINUTE_MS, self.lateness_ms, 5 * MINUTE_MS,
            10_000, self.max_gap_ms, self.n_confirm, self.tolerance_ms,
        )  # fmt: skip
        meters: dict[str, list[Register]] = {}
        for meter, register in channels:
            meters.setdefault(meter, []).append(self._register(register))
        versions = tuple(MeterVersion(m, "site", "", "main", "", tuple(r), ALWAYS, FOREVER) for m, r in meters.items())
        return Registry(1, zone, (Company("company", {}),), (Site("site", "company", "node"),), (), versions, self.changes, (), ())

    def _register(self, name: str) -> Register:
        base_unit, scale = to_micro(self.unit, self.carrier, self.kind)
        modulus = None if self.modulus is None else Fraction(str(self.modulus))
        power = Fraction(str(self.max_power_kw or 1_000_000))
        return Register(
            name,
            self.carrier,
            "import",
            self.kind,
            self.unit,
            base_unit,
            scale,
            Fraction(1),
            modulus,
            power,
            self.period_ms,
            Fraction(0),
        )


@dataclass(frozen=True)
class View:
    """Where a channel's fold stands. In micro-units: R0, the last advance, and all that is booked (None: nothing covered)."""

    r0_ts: int
    r0_micro: int
    same_since: int
    advance_micro: int
    segment_ms: int
    total_micro: int | None
    unbooked: dict[int, int]
    """ts -> register (micro-units) of the readings that change nothing: held, waiting or dropped."""
    swap_gap_windows: frozenset[int]


@dataclass(frozen=True)
class Row:
    """A version of an interval row; `value_micro` is None where nothing is covered."""

    start_ms: int
    value_micro: int | None
    quality: str


class Bench:
    """One partition; readings are received in order of `ingest_ms`."""

    def __init__(self, setup: Setup, channels: Iterable[Channel] = (("M1", "1.8.0"),)) -> None:
        self.setup = setup
        self.partition = Partition(compile_registry(setup.registry(channels), 1), 0)
        self.rows: dict[int, list[Row]] = {}
        self.alerts: list[str] = []

    def receive(self, channel: Channel, ts_ms: int, value: float, ingest_ms: int | None = None, seq: int | None = None) -> str:
        """Why the reading is a dead letter, '' if it is accepted."""
        index = self.partition.channels.index[channel]
        columns = (index, ts_ms, value, NO_UNIT, -1 if seq is None else seq, 0, max(self.partition.ingest, ingest_ms or ts_ms), 0)
        items = ReadingColumns(*(np.array([cell], np.float64 if i == 2 else np.int64) for i, cell in enumerate(columns)))
        self._keep(self.partition.apply(items))
        return REASONS[int(items.reason[0])]

    def wait_until(self, ingest_ms: int) -> None:
        """Close every tick up to this time."""
        nothing = ReadingColumns(*(np.empty(0, np.float64 if i == 2 else np.int64) for i in range(8)))
        self._keep(self.partition.apply(nothing, heartbeat_ms=ingest_ms))

    def stored(self, channel: Channel) -> dict[int, int]:
        """ts -> register in micro-units of the readings that count."""
        return {int(r.ts): int(r.reg) for r in self._ring(channel) if not r.meta & GONE}

    def view(self, channel: Channel = ("M1", "1.8.0")) -> View:
        """The fold over all that the channel received; `setup.lateness_ms` must reach back to its first reading.

        Raises ValueError while nothing was accepted.
        """
        ring, length = self._ring(channel), self.setup.length_ms
        if not len(ring):
            raise ValueError(f"no reading of {channel} was accepted so far; begin with one that is within range")
        base = int(ring[0].ts) // length - 1
        n = int(ring[-1].ts) // length - base + 2
        work = self._fold(channel, ring, base, n)
        shown = _shown(work)
        unbooked = [i for i in range(1, len(ring)) if _shown(self._fold(channel, np.delete(ring, i), base, n)) == shown]
        return _view(work, base, {int(ring[i].ts): int(ring[i].reg) for i in unbooked})

    def _fold(self, channel: Channel, ring: Any, base: int, n: int) -> Any:
        """The scratch of a fold over readings of a channel, from nothing."""
        facts, c, length = self.partition.facts, self.partition.channels.index[channel], self.setup.length_ms
        versions = facts.versions[facts.first[c] : facts.first[c] + facts.count[c]]
        changes = facts.changes[facts.change_first[c] : facts.change_first[c + 1]]
        work = new_work(n, len(ring) + len(changes) + 4)
        ring = ring.view(np.recarray)
        prepare(work, empty_heads(1)[0], ring[:0], 0, n, base, NEVER, length, work.win)
        fold(
            False, work.state[0], work.settled[0], work.journal, work.settled_journal, ring, work.win, work.span[0], versions, changes,
            facts.clock, self.partition.policy, work.notes,
        )  # fmt: skip
        return work

    def bound_micro(self, before: View, ts_ms: int) -> int | None:
        """The most that the register may have advanced at `ts_ms`, in micro-units."""
        power = int(self.partition.channels.versions["power"][0])
        ms = max(ts_ms - before.same_since, self.setup.period_ms)
        return None if power < 0 else int(energy_within(power, ms, MS_PER_HOUR))

    def _ring(self, channel: Channel) -> Any:
        state = self.partition.state
        ch = state.channels[self.partition.facts.local[self.partition.channels.index[channel]]]
        return state.pool[ch.ring + ch.past : ch.ring + ch.held]

    def _keep(self, step: Any) -> None:
        for row in step.rows:
            version = Row(int(row.start), int(row.val) if row.cov else None, _quality(row))
            self.rows.setdefault(version.start_ms, []).append(version)
        self.alerts += [RULES[int(t.rule)].id for t in step.transitions]


def in_unit(micro: int | None, setup: Setup) -> float | None:
    """Micro-units in the unit of the case."""
    return None if micro is None else float(micro / setup.scale)


def in_kwh(micro: int | None) -> float | None:
    """Micro-units in the base unit."""
    return None if micro is None else micro / MICRO


def _quality(row: Any) -> str:
    if not row.cov:
        return "MISSING"
    return "ESTIMATED" if row.bits & BIT_ESTIMATED else "CORRECTED" if row.bits & BIT_CORRECTED else "ACTUAL"


def _shown(work: Any) -> tuple[object, ...]:
    """What a fold comes to: R0, and what is booked where and how."""
    state = work.state[0]
    booked = [(int(value_of(w)), int(w.est), int(w.cov), int(w.bits)) for w in work.win]
    return int(state.ts), int(state.e), int(state.same_since), booked


def _view(work: Any, base: int, unbooked: dict[int, int]) -> View:
    state = work.state[0]
    covered = any(w.cov for w in work.win)
    return View(
        int(state.ts), int(state.e), int(state.same_since), int(state.seg_adv), int(state.seg_ms),
        sum(int(value_of(w)) for w in work.win) if covered else None, unbooked,
        frozenset(base + i for i, w in enumerate(work.win) if w.bits & M_SWAP_GAP),
    )  # fmt: skip
