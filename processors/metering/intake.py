"""Admission: which readings are accepted, and their place in the channel's ring.

A ring holds, in ts order, the readings that may still be reordered. Rings live in one pool, each with room for what its channel's period
makes usual; when the pool is full they are packed into another one.
"""

from typing import Any, NamedTuple

import numpy as np

from zonepulse.processors.channels.periods import period_begin
from zonepulse.processors.channels.table import CUMULATIVE, INTERVAL
from zonepulse.processors.channels.version import Version
from zonepulse.processors.channels.versions import VERSION_SHIFT, is_begun, key_of, sent_version
from zonepulse.processors.flow import (
    FUTURE,
    LATE,
    NEVER,
    NO_METER,
    NO_UNIT,
    NOT_VALID,
    OFF_GRID,
    OUT_OF_RANGE,
    UNIT_MISMATCH,
    UNKNOWN_METER,
    UNKNOWN_REGISTER,
    UNSET,
    WRONG_PARTITION,
    Ints,
    ReadingColumns,
)
from zonepulse.processors.kernel import kernel
from zonepulse.processors.metering.records import Channel, Policy, Reading, Readings
from zonepulse.processors.metering.registers import energy_micro, is_impossible
from zonepulse.processors.metering.state import (
    CHUNK_CHANNELS,
    CONFLICT,
    CONFLICT_NEW,
    CORRECTED,
    ESTIMATED,
    GONE,
    IMPOSSIBLE,
    MANUAL,
    NEW,
)

SMALLEST_RING, LARGEST_FIRST_RING = 8, 1024
LIMIT_ENERGY = 1 << 62
HUGE = 1e250
"""Out of range in every unit; no product of less overflows."""
EASY_FACTOR = 512
"""Times a register below 2**53 it is in range."""
SEQ = (1 << 33) - 1
DIRTY, POOL_USED, LATEST_TS, IS_URGENT = 0, 1, 2, 3
"""Places in `counts`. IS_URGENT: a channel may have rows to be made although no window becomes due."""
TICK, NEXT_MS, DUE_MS, OPEN_MS = 0, 1, 2, 3
"""Places in a clock: the tick closed last, when the next one closes, when the next window becomes due, where the first window begins
that is not due."""


class State(NamedTuple):
    """All that a partition remembers about its channels; plain arrays, one record a channel, and the pool of rings.

    `dirty[: counts[DIRTY]]` are the channels with readings that no row has seen;
    `touched[k]` is 1 where one of the channels [k, k + 1) x CHUNK_CHANNELS changed since the last snapshot.
    """

    heads: Any
    channels: Any
    detectors: Any
    pool: Any
    dirty: Any
    counts: Any
    touched: Any


class RegistryArrays(NamedTuple):
    """The registry's arrays, as in Channels, and the number of this partition; `local[g]` = place of channel g here, -1 elsewhere;
    `watch[g]` = its place among the channels that detectors watch here, else -1; `slow[g]` = whether it has ever to be judged in stretches
    of several windows."""

    versions: Any
    first: Any
    count: Any
    changes: Any
    change_first: Any
    clock: Any
    local: Any
    watch: Any
    slow: Any
    partition: int


@kernel
def settled_after(policy: Policy) -> int:
    """How long (ms) behind a tick nothing changes any more: a known meter change may lie `lateness` before the latest closed window, and a
    window is judged up to one length after it is due."""
    return policy.lateness + max(policy.tolerance, 2 * policy.length + policy.delay + 2 * policy.tick)


@kernel
def usual_room(period: int, policy: Policy) -> int:
    """Readings that a ring holds at most while they come in time: until they are settled, and the window that closes next."""
    held = (settled_after(policy) + policy.length + policy.tick) // period + 2
    return min(max(held + 7, SMALLEST_RING) // 8 * 8, LARGEST_FIRST_RING)


@kernel
def make_room(state: State, ch: Channel, usual: int) -> bool:
    """Move a full ring to a larger place; False if the pool must grow first. The place left is free after the next `pack`."""
    room = usual if ch.room < usual else (ch.room + ch.room // 4 + 8) // 8 * 8
    at = state.counts[POOL_USED]
    if at + room > len(state.pool):
        return False
    for i in range(ch.held):
        state.pool[at + i] = state.pool[ch.ring + i]
    ch.ring, ch.room = at, room
    state.counts[POOL_USED] = at + room
    return True


@kernel
def pack(state: State, pool: Readings) -> None:
    """Move all rings into `pool`, one behind the other."""
    at = 0
    for place in range(len(state.channels)):
        ch = state.channels[place]
        for i in range(ch.held):
            pool[at + i] = state.pool[ch.ring + i]
        ch.ring = at
        at += ch.room
    state.counts[POOL_USED] = at


@kernel
def quality_flags(quality: int) -> int:
    """Of a reading, by its place in schemas.readings.QUALITIES."""
    if quality == 3:
        return ESTIMATED | MANUAL
    return ESTIMATED if quality == 1 else CORRECTED if quality == 2 else 0


@kernel
def supersede(entry: Reading, reg: int, meta: int) -> int:
    """A second reading of a key, against the one that counts. 0: nothing changes; 1: the old one got a conflict; 2: replaced in place;
    3: the old one is GONE and the new one must be inserted behind it (with `conflict_of` flags)."""
    differs = reg != entry.reg
    if (meta >> 8 & SEQ) < (entry.meta >> 8 & SEQ):
        if not differs or entry.meta & (CONFLICT | CONFLICT_NEW):
            return 0
        entry.meta |= CONFLICT if entry.meta & NEW else CONFLICT_NEW
        return 1
    shown = ESTIMATED | CORRECTED | MANUAL | -1 << VERSION_SHIFT
    same_flags = (entry.meta & shown) == (meta & shown)
    if not differs and same_flags:
        entry.meta = (entry.meta & 255) | (meta >> 8 << 8)
        return 0
    if entry.meta & NEW:
        kept = entry.meta & CONFLICT
        entry.reg = reg
        entry.meta = meta | NEW | kept | (CONFLICT if differs else 0)
        return 2
    entry.meta |= GONE
    return 3


@kernel
def insert(pool: Readings, ch: Channel, ts: int, reg: int, meta: int) -> bool:
    """Put a reading into its ring (there is room); False when it changes nothing. Of one ts, impossible ones stand before possible ones,
    and neither displaces the other."""
    first, at = ch.ring + ch.past, ch.ring + ch.held
    bad = meta & IMPOSSIBLE
    while at > first and (pool[at - 1].ts > ts or (bad and pool[at - 1].ts == ts and not pool[at - 1].meta & IMPOSSIBLE)):
        at -= 1
    flags = NEW
    if at > first and pool[at - 1].ts == ts and (pool[at - 1].meta & IMPOSSIBLE) == bad:
        before = pool[at - 1]
        differs = reg != before.reg
        what = supersede(before, reg, meta)
        if what != 3:
            return what != 0
        if differs or before.meta & (CONFLICT | CONFLICT_NEW):
            flags |= CONFLICT
    for i in range(ch.ring + ch.held, at, -1):
        pool[i] = pool[i - 1]
    entry = pool[at]
    entry.ts, entry.reg, entry.meta = ts, reg, meta | flags
    ch.held += 1
    return True


@kernel
def is_next(before: Reading, reg: int, ts: int, version: Version) -> bool:
    """Whether a reading certainly continues the series of the one before it in the ring."""
    if before.meta & GONE or before.ts <= version.valid_from:
        return False
    return 0 <= reg - before.reg <= version.rise_per_ms * max(ts - before.ts, version.period)


@kernel
def is_plain(pool: Readings, ch: Channel, reg: int, ts: int, version: Version) -> bool:
    """Whether the newest reading of a register certainly continues its series like the one before: whatever else changes more than the
    windows from the last good one on, or is worth an alert."""
    at = ch.ring + ch.held - 1
    if ch.held == 1 and ch.passed == UNSET:
        return True
    return ch.held - ch.past >= 2 and pool[at].ts == ts and is_next(pool[at - 1], reg, ts, version)


@kernel
def refusal(value: float, unit: int, version: Version, partition: int) -> int:
    """Reason code of a reading by what it says, 0 if there is none; `version` is the one that answers it."""
    if version.partition != partition:
        return WRONG_PARTITION
    if unit != NO_UNIT and unit != version.unit:
        return UNIT_MISMATCH
    if not abs(value) < HUGE:
        return OUT_OF_RANGE
    product = value * version.scale
    if not abs(product) < 9007199254740992.0:
        return OUT_OF_RANGE
    if version.den != 1 or version.num > EASY_FACTOR:
        reg = np.int64(np.rint(product))
        if abs(reg // version.den) > LIMIT_ENERGY // version.num + 1 or abs(energy_micro(reg, version)) >= LIMIT_ENERGY:
            return OUT_OF_RANGE
    return 0


@kernel
def untimely(ts: int, ingest: int, policy: Policy) -> int:
    """FUTURE, LATE or 0."""
    if ts - ingest > policy.future:
        return FUTURE
    return LATE if ingest - ts > policy.lateness else 0


@kernel
def is_quiet(ch: Channel, open_ms: int, policy: Policy) -> bool:
    """Whether what is new changes no row while the windows before `open_ms` are the due ones: it lies behind them, in order, behind no
    due window without a row, and leaves no gap that is too long."""
    earliest = min(ch.min_new, ch.anchor)
    if ch.old_last != UNSET and ch.old_last + policy.max_gap - 1 < open_ms - policy.length:
        return False
    return ch.min_new > ch.old_last and earliest >= open_ms and ch.last - earliest <= policy.max_gap


@kernel
def must_close(clock: Ints, ingest: int, counts: Ints, policy: Policy) -> bool:
    """Whether the ticks up to `ingest` may make rows; if they cannot, the clock moves on past them."""
    if ingest >= clock[DUE_MS] or counts[IS_URGENT] != 0 or counts[DIRTY] == 0:
        return True
    clock[TICK] = ingest // policy.tick
    clock[NEXT_MS] = (clock[TICK] + 1) * policy.tick
    return False


@kernel
def admit(items: ReadingColumns, start: int, stop: int, clock: Ints, state: State, facts: RegistryArrays, policy: Policy) -> int:
    """Judge and insert items [start, stop) and close the ticks that make no rows; returns where it stopped (before `stop`: a tick is to
    be closed, or the pool must grow). What it calls takes few arrays: each is handed over in seven words."""
    counts, pool = state.counts, state.pool
    for i in range(start, stop):
        ingest = items.ingest[i]
        if ingest >= clock[NEXT_MS] and must_close(clock, ingest, counts, policy):
            return i
        if items.reason[i] != 0:
            continue
        c = items.channel[i]
        if c < 0:
            items.reason[i] = UNKNOWN_METER if c == NO_METER else UNKNOWN_REGISTER
            continue
        versions = facts.versions[facts.first[c] : facts.first[c] + facts.count[c]]
        sent_ts = ts = items.ts[i]
        v = sent_version(versions, ts)
        if v < 0:
            reason = untimely(ts, ingest, policy)
            items.reason[i] = reason if reason != 0 else NOT_VALID
            continue
        version, value = versions[v], items.value[i]
        edge, ts = key_of(version, facts.clock, sent_ts)
        reason = untimely(ts if is_begun(version) else sent_ts, ingest, policy)
        if reason == 0:
            reason = refusal(value, items.unit[i], version, facts.partition)
        if reason == 0 and abs(edge - sent_ts) > policy.tolerance:
            reason = OFF_GRID
        if reason != 0:
            items.reason[i] = reason
            continue
        place = facts.local[c]
        ch = state.channels[place]
        if ch.held >= ch.room and not make_room(state, ch, usual_room(version.period, policy)):
            return i
        state.touched[place // CHUNK_CHANNELS] = 1
        begin = period_begin(facts.clock, version, ts) if version.kind == INTERVAL else ts
        flags = quality_flags(items.quality[i])
        reg = np.int64(np.rint(value * version.scale))
        if version.kind != CUMULATIVE:
            if version.kind == INTERVAL:
                flags |= (v + 1) << VERSION_SHIFT
            if is_impossible(energy_micro(reg, version), begin, ts, version):
                flags |= IMPOSSIBLE
        meta, end = (items.seq[i] + 1) << 8 | flags, ch.ring + ch.held
        has_changed = True
        if ch.held > ch.past and pool[end - 1].ts < ts:
            goes_on = is_next(pool[end - 1], reg, ts, version)
            entry = pool[end]
            entry.ts, entry.reg, entry.meta = ts, reg, meta | NEW
            ch.held += 1
        else:
            has_changed = insert(pool, ch, ts, reg, meta)
            goes_on = is_plain(pool, ch, reg, ts, version)
        ch.first = min(ch.first, begin)
        ch.last = max(ch.last, ts)
        if has_changed:
            if ch.min_new == NEVER:
                state.dirty[counts[DIRTY]] = place
                counts[DIRTY] += 1
            ch.min_new = min(ch.min_new, begin)
            if version.kind == CUMULATIVE and not goes_on:
                ch.min_new = UNSET
            if not is_quiet(ch, clock[OPEN_MS], policy):
                counts[IS_URGENT] = 1
        counts[LATEST_TS] = max(counts[LATEST_TS], ts)
    return stop


def touched_chunks(channels: int) -> Any:
    """`touched` of a state that no snapshot has yet."""
    return np.ones(-(-channels // CHUNK_CHANNELS), np.int8)


def new_counts() -> Any:
    """Counters of an empty partition."""
    return np.array([0, 0, UNSET, 1], np.int64)
