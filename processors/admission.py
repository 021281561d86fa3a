"""Admission: which readings are accepted, and their place in the channel's ring.

A ring holds, in ts order, the readings that may still be reordered. Rings live in one pool, in blocks of powers of two; free blocks of a
size form a list through the `ts` field of their first record.
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
SMALLEST_RING = 8
LIMIT_ENERGY = 1 << 62
HUGE = 1e250
"""Out of range in every unit; no product of less overflows."""
DIRTY, POOL_USED, LATEST_TS = 0, 1, 2
"""Places in `counts`."""


class State(NamedTuple):
    """All that a partition remembers about its channels; plain arrays, one record a channel, and the pool of rings.

    `dirty[: counts[DIRTY]]` are the channels with readings that no row has seen; `free[k]` heads the list of blocks of 2**k readings;
    `touched[k]` is 1 where one of the channels [k, k + 1) x CHUNK_CHANNELS changed since the last snapshot.
    """

    heads: Any
    channels: Any
    detectors: Any
    pool: Any
    free: Any
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
def take_block(state: Any, size: int) -> int:
    """Start of a free block of `size` = 2**k readings, -1 if the pool must grow."""
    k = 0
    while (1 << k) < size:
        k += 1
    at = state.free[k]
    if at >= 0:
        state.free[k] = state.pool[at].ts
        return at
    if state.counts[POOL_USED] + size > len(state.pool):
        return -1
    at = state.counts[POOL_USED]
    state.counts[POOL_USED] += size
    return at


@kernel
def make_room(state: Any, ch: Any) -> bool:
    """Double a full ring; False if the pool must grow first."""
    if ch.held < ch.room:
        return True
    size = max(SMALLEST_RING, 2 * ch.room)
    at = take_block(state, size)
    if at < 0:
        return False
    for i in range(ch.held):
        state.pool[at + i] = state.pool[ch.ring + i]
    if ch.room > 0:
        k = 0
        while (1 << k) < ch.room:
            k += 1
        state.pool[ch.ring].ts = state.free[k]
        state.free[k] = ch.ring
    ch.ring, ch.room = at, size
    return True


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
def insert(state: Any, ch: Any, ts: int, reg: int, meta: int) -> bool:
    """Put a reading into its ring (there is room); False when it changes nothing."""
    ring = state.pool[ch.ring : ch.ring + ch.room]
    at = ch.held
    while at > 0 and ring[at - 1].ts > ts:
        at -= 1
    flags = NEW
    if at > 0 and ring[at - 1].ts == ts:
        before = ring[at - 1]
        differs = reg != before.reg
        what = supersede(before, reg, meta)
        if what != 3:
            return what != 0
        if differs or before.meta & (CONFLICT | CONFLICT_NEW):
            flags |= CONFLICT
    for i in range(ch.held, at, -1):
        ring[i] = ring[i - 1]
    ring[at].ts, ring[at].reg, ring[at].meta = ts, reg, meta | flags
    ch.held += 1
    return True


@kernel
def snapped(ts: int, period: int) -> int:
    """The nearest point of the period's UTC grid."""
    return (ts + period // 2) // period * period


@kernel
def is_off_grid(sent: Any, version: Any, ts: int, key: int, tolerance: int) -> bool:
    """Whether a period ends too far from the grid, or at an edge where the version before has another grid, or no periods."""
    if sent.kind != INTERVAL:
        return False
    return abs(key - ts) > tolerance or version.kind != INTERVAL or key % version.period != 0


@kernel
def refusal(items: Any, i: int, key: int, sent: Any, version: Any, facts: Any, policy: Any) -> int:
    """Reason code of a reading, 0 if it is accepted. `key` is its ts or, of a period, its end on the grid; `sent` is the version that
    answers its ts, `version` the one that answers `key`."""
    if version.partition != facts.partition:
        return WRONG_PARTITION
    if items.unit[i] != NO_UNIT and items.unit[i] != version.unit:
        return UNIT_MISMATCH
    if not abs(items.value[i]) < HUGE:
        return OUT_OF_RANGE
    product = items.value[i] * version.scale
    if not abs(product) < 9007199254740992.0:
        return OUT_OF_RANGE
    reg = np.int64(np.rint(product))
    if abs(reg // version.den) > LIMIT_ENERGY // version.num + 1 or abs(energy_micro(reg, version)) >= LIMIT_ENERGY:
        return OUT_OF_RANGE
    ts = items.ts[i]
    if is_off_grid(sent, version, ts, key, policy.tolerance):
        return OFF_GRID
    if ts - items.ingest[i] > policy.future:
        return FUTURE
    if items.ingest[i] - ts > policy.lateness:
        return LATE
    return 0


@kernel
def admit(items: Any, start: int, stop: int, state: Any, facts: Any, policy: Any) -> int:
    """Judge and insert items [start, stop); returns where it stopped (before `stop`: the pool must grow)."""
    for i in range(start, stop):
        if items.reason[i] != 0:
            continue
        c = items.channel[i]
        if c < 0:
            items.reason[i] = UNKNOWN_METER if c == NO_METER else UNKNOWN_REGISTER
            continue
        versions = facts.versions[facts.first[c] : facts.first[c] + facts.count[c]]
        ts = items.ts[i]
        sent = v = version_of(versions, ts)
        if sent >= 0 and versions[sent].kind == INTERVAL:
            ts = snapped(ts, versions[sent].period)
            v = version_of(versions, ts)
        if v < 0:
            items.reason[i] = UNKNOWN_REGISTER
            continue
        items.reason[i] = refusal(items, i, ts, versions[sent], versions[v], facts, policy)
        if items.reason[i] != 0:
            continue
        place = facts.local[c]
        ch = state.channels[place]
        if not make_room(state, ch):
            return i
        state.touched[place // CHUNK_CHANNELS] = 1
        begin = ts - versions[v].period if versions[v].kind == INTERVAL else ts
        flags = ESTIMATED if items.quality[i] == 1 else (CORRECTED if items.quality[i] == 2 else 0)
        reg = np.int64(np.rint(items.value[i] * versions[v].scale))
        if insert(state, ch, ts, reg, (items.seq[i] + 1) << 8 | flags):
            if ch.min_new == NEVER:
                state.dirty[state.counts[DIRTY]] = place
                state.counts[DIRTY] += 1
            ch.min_new = min(ch.min_new, begin)
        ch.first = min(ch.first, begin)
        ch.last = max(ch.last, ts)
        state.counts[LATEST_TS] = max(state.counts[LATEST_TS], ts)
    return stop


def touched_chunks(channels: int) -> Any:
    """`touched` of a state that no snapshot has yet."""
    return np.ones(-(-channels // CHUNK_CHANNELS), np.int8)


def new_counts() -> Any:
    """Counters of an empty partition."""
    return np.array([0, 0, UNSET], np.int64)
