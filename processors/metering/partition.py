"""One partition of readings -> closed, revisable energy intervals, dead letters and meter alerts.

`Partition.apply` takes records in log order; everything it returns is a pure function of the log, the registry and the partition count.
The state is arrays only (intake.State, `clock`); `next_offset` is what to read next.

Tick k closes when ingest time (the largest Kafka timestamp so far) reaches k x tick. Rows come sorted by revision; `through` is the last
tick closed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.channels.table import Channels
from zonepulse.processors.detection.meter.judging import ROWS_PER_WINDOW, empty_detectors
from zonepulse.processors.detection.transitions import alert_rows
from zonepulse.processors.detection.watch.alerts import found_rows
from zonepulse.processors.detection.watch.state import BAND, FOUND
from zonepulse.processors.detection.watch.watches import Watches
from zonepulse.processors.flow import NEVER, ROW, TRANSITION, UNSET, ReadingColumns, Rows, new_rows
from zonepulse.processors.metering.intake import (
    DIRTY,
    DUE_MS,
    IS_URGENT,
    LARGEST_FIRST_RING,
    NEXT_MS,
    OPEN_MS,
    TICK,
    RegistryArrays,
    State,
    admit,
    new_counts,
    pack,
    touched_chunks,
    usual_room,
)
from zonepulse.processors.metering.letter_counts import LetterCounts
from zonepulse.processors.metering.state import POLICY, READING, empty_channels, empty_heads
from zonepulse.processors.metering.windows import (
    Out,
    Work,
    close_channels,
    due_tick,
    due_window,
    new_out,
    new_work,
)
from zonepulse.schemas.registry.model import ZonePolicy

STEP_WINDOWS: Final = 96
"""A jump over many ticks closes at most this many windows a channel at a time, so that work space stays small."""
_FIELDS: Final = ("tick", "ingest", "next_offset")


@dataclass(frozen=True, slots=True)
class Step:
    """What one batch made."""

    rows: Rows
    """flow.ROW, sorted by revision."""
    transitions: Rows
    """flow.TRANSITION, of the rules about meters."""
    found: Rows
    """detection.watch.state.FOUND, of detectors."""
    bands: Rows
    """detection.watch.state.BAND, where the zone keeps them."""
    through: int
    """The last tick closed."""


@dataclass(slots=True)
class _Collected:
    rows: list[Rows] = field(default_factory=list)
    transitions: list[Rows] = field(default_factory=list)
    found: list[Rows] = field(default_factory=list)
    bands: list[Rows] = field(default_factory=list)


def policy_record(zone: ZonePolicy) -> Any:
    """The zone's settings as the kernels' POLICY record."""
    policy = new_rows(POLICY)[0]
    policy.length, policy.tick, policy.delay = zone.window_ms, zone.tick_ms, zone.delay_ms
    policy.lateness, policy.future, policy.max_gap = zone.lateness_ms, zone.future_ms, zone.max_gap_ms
    policy.tolerance, policy.n_confirm = zone.boundary_tolerance_ms, zone.n_confirm
    return policy


def facts_of(channels: Channels, partition: int) -> tuple[RegistryArrays, NDArray[np.int64]]:
    """Kernel facts of one partition and the channels that live in it."""
    mine = channels.partition_channels(partition)
    local = np.full(len(channels.names), -1, np.int64)
    local[mine] = np.arange(len(mine))
    changes = np.zeros((len(channels.changes), 4), np.int64)
    changes[:, :3] = channels.changes
    versions = channels.versions.view(np.recarray)
    nobody = np.full(len(channels.names), -1, np.int64)
    is_longer = channels.versions["stretch"] != channels.registry.zone.window_ms
    slow = np.bincount(np.repeat(np.arange(len(local)), channels.count), is_longer, len(local)) > 0
    return RegistryArrays(
        versions, channels.first, channels.count, changes, channels.change_first, channels.clock, local, nobody, slow, partition
    ), mine


def usual_rooms(facts: RegistryArrays, globals_: NDArray[np.int64], policy: Any) -> NDArray[np.int64]:
    """Readings that the ring of each channel holds while they come in time; shape (channels,)."""
    periods, of_channel = np.unique(facts.versions["period"][facts.first[globals_]], return_inverse=True)
    return np.array([usual_room(period, policy) for period in periods.tolist()], np.int64)[of_channel]


class Partition:
    """State and fold of one partition of `zp.readings`."""

    def __init__(
        self, channels: Channels, partition: int, work: Work | None = None, out: Out | None = None, *, is_empty: bool = True
    ) -> None:
        """`work` and `out` are scratch and may be shared by partitions that run one after another. `is_empty` False: whoever calls
        puts the channels' state in its place at once."""
        self.channels = channels
        self.partition = partition
        self.policy = policy_record(channels.registry.zone)
        self.facts, self.globals = facts_of(channels, partition)
        n = len(self.globals)
        pool = new_rows(READING, int(usual_rooms(self.facts, self.globals, self.policy).sum()) if is_empty else 0)
        dirty, touched, made = np.zeros(n, np.int64), touched_chunks(n), n if is_empty else 0
        self.state = State(empty_heads(made), empty_channels(made), empty_detectors(made), pool, dirty, new_counts(), touched)
        self.watches = Watches(channels, self.globals, is_empty=is_empty)
        self.facts = self._watching(self.facts)
        self.tick = UNSET
        self.ingest = UNSET
        self.next_offset = 0
        self.letters = LetterCounts()
        self._work = work or new_work()
        self._out = out or new_out()
        self._all = np.arange(n)

    def _watching(self, facts: RegistryArrays) -> RegistryArrays:
        return facts._replace(watch=self.watches.numbers())

    def go_on_watching(self, places: NDArray[np.int64], states: Rows, alarms: Rows) -> None:
        """With these states of detectors, of a snapshot."""
        self.watches.resume(places, states, alarms)
        self.facts = self._watching(self.facts)

    def alerts(self, step: Step) -> list[dict[str, Any]]:
        """Proposed rows of table `alerts` of a step that was made with the registry version in use."""
        return alert_rows(step.transitions, self.channels) + found_rows(step.found, self.watches.channels_of, self.channels)

    def use(self, channels: Channels) -> None:
        """Go on under another registry version (channel numbers kept). New meter changes revise their channels at the next tick."""
        before, was = self.facts, self.globals
        known = {(int(c), *map(int, row[:3])) for c, row in zip(_owners(before.change_first), before.changes, strict=True)}
        self.channels = channels
        self.facts, self.globals = facts_of(channels, self.partition)
        place = np.searchsorted(self.globals, was)
        if not np.array_equal(self.globals[np.minimum(place, len(self.globals) - 1)], was):
            gone = sorted(set(was.tolist()) - set(self.globals.tolist()))
            raise ValueError(
                f"registry version {channels.registry.version} drops {channels.names[gone[0]]}; end its validity instead"
            )
        n, old = len(self.globals), self.state
        heads, places, detectors = empty_heads(n), empty_channels(n), empty_detectors(n)
        heads[place], places[place], detectors[place] = old.heads, old.channels, old.detectors
        dirty = np.zeros(n, np.int64)
        dirty[: old.counts[0]] = place[old.dirty[: old.counts[0]]]
        self.state = State(heads, places, detectors, old.pool, dirty, old.counts, touched_chunks(n))
        self._all = np.arange(n)
        self.watches.use(channels, self.globals, place)
        self.facts = self._watching(self.facts)
        for i, c in enumerate(_owners(self.facts.change_first)):
            change = self.facts.changes[i]
            if (int(c), *map(int, change[:3])) not in known and self.facts.local[c] >= 0:
                change[3] = 1
                self._mark(int(self.facts.local[c]), int(change[0]))

    def _mark(self, place: int, at_ms: int) -> None:
        """Make a channel's rows from `at_ms` on at the next tick."""
        channel = self.state.channels[place]
        if channel.last == UNSET:
            return
        self.state.counts[IS_URGENT] = 1
        if channel.min_new == NEVER:
            self.state.dirty[self.state.counts[0]] = place
            self.state.counts[0] += 1
        channel.min_new = min(int(channel.min_new), at_ms)

    @property
    def latest_ts(self) -> int:
        """The largest accepted ts, UNSET before the first."""
        return int(self.state.counts[2])

    def ingest_times(self, timestamp_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Ingest time of each record: the largest timestamp up to it in the partition. Does not move the state."""
        return np.maximum(np.maximum.accumulate(timestamp_ms), self.ingest)

    def apply(self, items: ReadingColumns, heartbeat_ms: int | None = None) -> Step:
        """Fold readings (ascending ingest) and close every tick that ingest time has reached; `heartbeat_ms` is ingest time without a
        reading behind them. `items.reason` is filled in place."""
        found = _Collected()
        start, stop = 0, len(items.ingest)
        if stop and self.tick == UNSET:
            self.tick = int(items.ingest[0]) // int(self.policy.tick)
        while (start := self._admit(items, start, stop)) < stop:
            self._close_until(int(items.ingest[start]) // int(self.policy.tick), found)
        if stop:
            self.ingest = max(self.ingest, int(items.ingest[-1]))
        if heartbeat_ms is not None:
            self.ingest = max(self.ingest, heartbeat_ms)
            self._close_until(self.ingest // int(self.policy.tick), found)
        return self._step(found)

    def _step(self, found: _Collected) -> Step:
        rows = np.concatenate(found.rows) if found.rows else np.zeros(0, ROW)
        order = np.lexsort((rows["start"], rows["channel"], rows["revision"]))
        transitions = np.concatenate(found.transitions) if found.transitions else np.zeros(0, TRANSITION)
        transitions = transitions[np.argsort(transitions["tick"], kind="stable")]
        told, bands = (
            new_rows(d, 0) if not s else np.concatenate(s).view(np.recarray) for s, d in ((found.found, FOUND), (found.bands, BAND))
        )
        return Step(rows[order].view(np.recarray), transitions.view(np.recarray), told, bands, self.tick)

    def _admit(self, items: ReadingColumns, start: int, stop: int) -> int:
        """Admits items until one is behind a tick that may make rows; returns its number."""
        if start == stop:
            return start
        policy, due = self.policy, due_window(self.tick, self.policy)
        clock = np.array([self.tick, self.tick + 1, due_tick(due + 1, policy), 0])
        clock[NEXT_MS : DUE_MS + 1] *= policy.tick
        clock[OPEN_MS] = (due + 1) * policy.length
        while (start := admit(items, start, stop, clock, self.state, self.facts, policy)) < stop:
            if items.ingest[start] >= clock[NEXT_MS]:
                break
            self._pack()
        self.tick = int(clock[TICK])
        return start

    def _pack(self) -> None:
        """Rings without what is free between them, and room for more."""
        rooms = self.state.channels.room.astype(np.int64)
        largest = max(LARGEST_FIRST_RING, 2 * int(rooms.max()))
        pool = new_rows(READING, int(rooms.sum()) * 5 // 4 + largest)
        pack(self.state, pool)
        self.state = self.state._replace(pool=pool)

    def _close_until(self, tick: int, found: _Collected) -> None:
        if self.tick == UNSET:
            self.tick = tick
        while self.tick < tick:
            step = self._next_stop(tick)
            self._close((self.tick + 1, step), found)
            self.tick = step

    def _next_stop(self, tick: int) -> int:
        """A jump is cut so that one close sees at most STEP_WINDOWS due windows."""
        if self.latest_ts == UNSET:
            return tick
        policy = self.policy
        idle = (self.latest_ts + int(policy.max_gap)) // int(policy.length) + 2
        if due_window(self.tick, policy) > idle and self.state.counts[0] == 0:
            return tick
        return min(tick, self.tick + STEP_WINDOWS * int(policy.length) // int(policy.tick))

    def _close(self, ticks: tuple[int, int], found: _Collected) -> None:
        has_due = due_window(ticks[1], self.policy) > due_window(ticks[0] - 1, self.policy)
        dirty = np.sort(self.state.dirty[: self.state.counts[0]])  # in whatever order readings came
        order = self._all if has_due else dirty
        start = 0
        while True:
            start = close_channels(order, start, self.globals, ticks, self.state, self.facts, self._work, self._out, self.policy)
            self._collect(found)
            if start == len(order):
                break
            self._grow()
        still = dirty[self.state.channels.min_new[dirty] != NEVER]
        if not len(still):
            self.facts.changes[:, 3] = 0
        self.state.dirty[: len(still)] = still
        self.state.counts[DIRTY], self.state.counts[IS_URGENT] = len(still), 0

    def _collect(self, found: _Collected) -> None:
        n, m, turns = self._out.used
        if n:
            found.rows.append(self._out.rows[:n].copy())
        if m:
            found.transitions.append(self._out.transitions[:m].copy())
        if turns:
            judged = self.watches.judge(self._out.turns[:turns])
            found.found.append(judged.found)
            found.bands.append(judged.bands)
        self._out.used[:] = 0

    def _grow(self) -> None:
        """Make scratch, output and rings large enough for the channel that did not fit."""
        windows, notes, is_full = (int(n) for n in self._work.need)
        if is_full:
            self._pack()
        if windows > len(self._work.win) or notes > len(self._work.notes):
            self._work = new_work(max(2 * windows, len(self._work.win)), max(2 * notes, len(self._work.notes)))
        if windows * ROWS_PER_WINDOW + 2 * notes > len(self._out.transitions):
            self._out = new_out(2 * (windows * ROWS_PER_WINDOW + 2 * notes))


def _owners(first: NDArray[np.int64]) -> NDArray[np.int64]:
    """Channel of each known change."""
    return np.repeat(np.arange(len(first) - 1), np.diff(first))


def run_ticks(rows: Rows) -> Iterator[tuple[int, slice]]:
    """(revision, slice) of each run of equal revision; rows are sorted by it."""
    edges = [0, *(np.flatnonzero(np.diff(rows["revision"])) + 1), len(rows)]
    for start, stop in pairwise(edges):
        if stop > start:
            yield int(rows["revision"][start]), slice(int(start), int(stop))
