"""Admission: which readings are accepted, and their place in the channel's ring.

A ring holds, in ts order, the readings that may still be reordered. Rings live in one pool, each with room for what its channel's period
makes usual; when the pool is full they are packed into another one.
"""

from typing import Any, NamedTuple

import numpy as np

from zonepulse.processors.channels import INTERVAL
from zonepulse.processors.kernel import kernel
from zonepulse.processors.layout import CHUNK_CHANNELS, CONFLICT, CONFLICT_NEW, CORRECTED, ESTIMATED, GONE, NEVER, NEW, UNSET
from zonepulse.processors.registers import energy_micro, version_of

UNKNOWN_METER, UNKNOWN_REGISTER, WRONG_PARTITION, UNIT_MISMATCH, OUT_OF_RANGE, OFF_GRID, FUTURE, LATE = range(4, 12)
"""Reason codes: positions in schemas.readings.REASONS."""
NO_METER, NO_REGISTER = -1, -2
"""Channel numbers of readings whose meter, or register, is not in the registry."""
NO_UNIT = -1
SMALLEST_RING, LARGEST_FIRST_RING = 8, 1024
LIMIT_ENERGY = 1 << 62
HUGE = 1e250
"""Out of range in every unit; no product of less overflows."""
EASY_FACTOR = 512
"""Times a register below 2**53 it is in range."""
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


class Facts(NamedTuple):
    """The registry's arrays, as in Channels, and the number of this partition; `local[g]` = place of channel g here, -1 elsewhere."""

    versions: Any
    first: Any
    count: Any
    changes: Any
    change_first: Any
    local: Any
    partition: int


class Items(NamedTuple):
    """Readings as columns, shape (n,): channel number, ts (ms), value as transmitted, unit number, seq (-1 absent), quality, ingest (ms);
    `reason` is 0 or a code from decoding, and is filled here."""

    channel: Any
    ts: Any
    value: Any
    unit: Any
    seq: Any
    quality: Any
    ingest: Any
    reason: Any


@kernel
def settled_after(policy: Any) -> int:
    """How long (ms) behind a tick nothing changes any more: a known meter change may lie `lateness` before the latest closed window, and a
    window is judged up to one length after it is due."""
    return policy.lateness + max(policy.tolerance, 2 * policy.length + policy.delay + 2 * policy.tick)


@kernel
def usual_room(period: int, policy: Any) -> int:
    """Readings that a ring holds at most while they come in time: until they are settled, and the window that closes next."""
    held = (settled_after(policy) + policy.length + policy.tick) // period + 2
    return min(max(held + 7, SMALLEST_RING) // 8 * 8, LARGEST_FIRST_RING)


@kernel
def make_room(state: Any, ch: Any, usual: int) -> bool:
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
def pack(state: Any, pool: Any) -> None:
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
def supersede(entry: Any, reg: int, meta: int) -> int:
    """A second reading of a key, against the one that counts. 0: nothing changes; 1: the old one got a conflict; 2: replaced in place;
    3: the old one is GONE and the new one must be inserted behind it (with `conflict_of` flags)."""
    differs = reg != entry.reg
    if (meta >> 8) < (entry.meta >> 8):
        if not differs or entry.meta & (CONFLICT | CONFLICT_NEW):
            return 0
        entry.meta |= CONFLICT if entry.meta & NEW else CONFLICT_NEW
        return 1
    same_flags = (entry.meta & (ESTIMATED | CORRECTED)) == (meta & (ESTIMATED | CORRECTED))
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
def insert(pool: Any, ch: Any, ts: int, reg: int, meta: int) -> bool:
    """Put a reading into its ring (there is room); False when it changes nothing."""
    first, at = ch.ring, ch.ring + ch.held
    while at > first and pool[at - 1].ts > ts:
        at -= 1
    flags = NEW
    if at > first and pool[at - 1].ts == ts:
        before = pool[at - 1]
        differs = reg != before.reg
        what = supersede(before, reg, meta)
        if what != 3:
            return what != 0
        if differs or before.meta & (CONFLICT | CONFLICT_NEW):
            flags |= CONFLICT
    for i in range(first + ch.held, at, -1):
        pool[i] = pool[i - 1]
    entry = pool[at]
    entry.ts, entry.reg, entry.meta = ts, reg, meta | flags
    ch.held += 1
    return True


@kernel
def snapped(ts: int, period: int) -> int:
    """The nearest point of the period's UTC grid."""
    return (ts + period // 2) // period * period


@kernel
def answering_version(versions: Any, sent_ts: int) -> tuple[int, int]:
    """(the version that answers the time sent, the one that answers the reading's key): a period's key is its end on the grid."""
    sent = version_of(versions, sent_ts)
    if sent >= 0 and versions[sent].kind == INTERVAL:
        return sent, version_of(versions, snapped(sent_ts, versions[sent].period))
    return sent, sent


@kernel
def is_off_grid(sent: Any, version: Any, ts: int, key: int, tolerance: int) -> bool:
    """Whether a period ends too far from the grid, or at an edge where the version before has another grid, or no periods."""
    if sent.kind != INTERVAL:
        return False
    return abs(key - ts) > tolerance or version.kind != INTERVAL or key % version.period != 0


@kernel
def refusal(value: float, unit: int, version: Any, partition: int) -> int:
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
def untimely(ts: int, ingest: int, policy: Any) -> int:
    """FUTURE, LATE or 0."""
    if ts - ingest > policy.future:
        return FUTURE
    return LATE if ingest - ts > policy.lateness else 0


@kernel
def is_quiet(ch: Any, open_ms: int, policy: Any) -> bool:
    """Whether what is new changes no row while the windows before `open_ms` are the due ones: it lies behind them, in order, behind no
    due window without a row, and leaves no gap that is too long."""
    earliest = min(ch.min_new, ch.anchor)
    if ch.old_last != UNSET and ch.old_last + policy.max_gap - 1 < open_ms - policy.length:
        return False
    return ch.min_new > ch.old_last and earliest >= open_ms and ch.last - earliest <= policy.max_gap


@kernel
def must_close(clock: Any, ingest: int, counts: Any, policy: Any) -> bool:
    """Whether the ticks up to `ingest` may make rows; if they cannot, the clock moves on past them."""
    if ingest >= clock[DUE_MS] or counts[IS_URGENT] != 0 or counts[DIRTY] == 0:
        return True
    clock[TICK] = ingest // policy.tick
    clock[NEXT_MS] = (clock[TICK] + 1) * policy.tick
    return False


@kernel
def admit(items: Any, start: int, stop: int, clock: Any, state: Any, facts: Any, policy: Any) -> int:
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
        sent, v = answering_version(versions, ts)
        if sent >= 0 and versions[sent].kind == INTERVAL:
            ts = snapped(ts, versions[sent].period)
        if v < 0:
            items.reason[i] = UNKNOWN_REGISTER
            continue
        version, value = versions[v], items.value[i]
        reason = refusal(value, items.unit[i], version, facts.partition)
        if reason == 0 and is_off_grid(versions[sent], version, sent_ts, ts, policy.tolerance):
            reason = OFF_GRID
        if reason == 0:
            reason = untimely(sent_ts, ingest, policy)
        if reason != 0:
            items.reason[i] = reason
            continue
        place = facts.local[c]
        ch = state.channels[place]
        if ch.held >= ch.room and not make_room(state, ch, usual_room(version.period, policy)):
            return i
        state.touched[place // CHUNK_CHANNELS] = 1
        begin = ts - version.period if version.kind == INTERVAL else ts
        flags = ESTIMATED if items.quality[i] == 1 else (CORRECTED if items.quality[i] == 2 else 0)
        reg = np.int64(np.rint(value * version.scale))
        has_changed = insert(pool, ch, ts, reg, (items.seq[i] + 1) << 8 | flags)
        ch.first = min(ch.first, begin)
        ch.last = max(ch.last, ts)
        if has_changed:
            if ch.min_new == NEVER:
                state.dirty[counts[DIRTY]] = place
                counts[DIRTY] += 1
            ch.min_new = min(ch.min_new, begin)
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
