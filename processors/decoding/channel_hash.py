"""Look-up of texts by their bytes, for kernels: (meter, register) -> channel, meter, unit.

Open addressing over plain arrays. A key has two parts; a hit is verified against the bytes of both, so the hash decides speed only.
Hashes are 32 bits kept in int64: products stay below 2**63, so that compiled and interpreted kernels agree.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zonepulse.processors.channels.table import Channels
from zonepulse.processors.decoding.same_bytes import is_same
from zonepulse.processors.flow import NO_METER, NO_REGISTER
from zonepulse.processors.kernel import byte_at, inlined, kernel

ABSENT: Final = -1
_HASH, _START, _SPLIT, _NUMBER = range(4)
_SEED: Final = 0x3C6EF372
_FACTOR: Final = 0x4F6CDD1D  # odd, below 2**31
_KEPT_TABLES: Final = 4


class KeyTable(NamedTuple):
    """Numbers from 0 by two-part key. `slots` (int64, shape (power of two, 4)): hash, start of the key in `keys`, where its second part
    starts, number (ABSENT: free). `keys` (uint8): all keys, each followed by the next; its last part ends where `ends` says."""

    slots: Any
    ends: Any
    keys: Any


class Tables(NamedTuple):
    """What the kernels look up: channels by (meter, register), meters by (meter, ""), units by (unit, "")."""

    channels: KeyTable
    meters: KeyTable
    units: KeyTable


@inlined
def _mixed(hash_: int, word: int) -> int:
    product = (hash_ ^ word) * _FACTOR
    return (product ^ (product >> 32)) & 0xFFFFFFFF


@inlined
def hash_part(hash_: int, text: NDArray[np.uint8], start: int, end: int) -> int:
    """`hash_` carried on over `text[start:end]`."""
    i = start
    while i + 4 <= end:
        word = byte_at(text, i) << 24 | byte_at(text, i + 1) << 16 | byte_at(text, i + 2) << 8 | byte_at(text, i + 3)
        hash_ = _mixed(hash_, word)
        i += 4
    tail = np.int64(end - start)
    while i < end:
        tail = tail << 8 & 0xFFFFFFFF | byte_at(text, i)
        i += 1
    return _mixed(hash_, tail)


@inlined
def find(table: Any, a: NDArray[np.uint8], a_start: int, a_end: int, b: NDArray[np.uint8], b_start: int, b_end: int) -> int:
    """Number of the key `a[a_start:a_end], b[b_start:b_end]`, or ABSENT."""
    slots, mask = table.slots, len(table.slots) - 1
    hash_ = hash_part(hash_part(np.int64(_SEED), a, a_start, a_end), b, b_start, b_end)
    at = hash_ & mask
    while slots[at, _NUMBER] != ABSENT:
        start, split = slots[at, _START], slots[at, _SPLIT]
        if (
            slots[at, _HASH] == hash_
            and split - start == a_end - a_start
            and table.ends[slots[at, _NUMBER]] - split == b_end - b_start
            and is_same(table.keys, start, a, a_start, a_end - a_start)
            and is_same(table.keys, split, b, b_start, b_end - b_start)
        ):
            return slots[at, _NUMBER]
        at = (at + 1) & mask
    return ABSENT


@kernel
def find_channel(
    tables: Any, a: NDArray[np.uint8], a_start: int, a_end: int, b: NDArray[np.uint8], b_start: int, b_end: int
) -> int:
    """Channel number, or NO_METER / NO_REGISTER."""
    number = find(tables.channels, a, a_start, a_end, b, b_start, b_end)
    if number != ABSENT:
        return number
    return NO_METER if find(tables.meters, a, a_start, a_end, b, 0, 0) == ABSENT else NO_REGISTER


@kernel
def _fill(slots: Any, keys: NDArray[np.uint8], starts: Any, splits: Any, ends: Any) -> None:
    mask = len(slots) - 1
    for number in range(len(ends)):
        hash_ = hash_part(hash_part(np.int64(_SEED), keys, starts[number], splits[number]), keys, splits[number], ends[number])
        at = hash_ & mask
        while slots[at, _NUMBER] != ABSENT:
            at = (at + 1) & mask
        slots[at, _HASH], slots[at, _START], slots[at, _SPLIT], slots[at, _NUMBER] = hash_, starts[number], splits[number], number


def key_table(pairs: Iterable[tuple[str, str]]) -> KeyTable:
    """A table of distinct keys; the number of each is its place. At most half of the slots are used."""
    parts = [text.encode() for pair in pairs for text in pair]
    behind = np.cumsum(np.array([0, *map(len, parts)], np.int64))
    count = len(parts) // 2
    slots = np.zeros((1 << (2 * count + 1).bit_length(), 4), np.int64)
    slots[:, _NUMBER] = ABSENT
    table = KeyTable(slots, behind[2::2].copy(), np.frombuffer(b"".join(parts) or b"\0", np.uint8))
    _fill(slots, table.keys, behind[:-1:2].copy(), behind[1::2].copy(), table.ends)
    return table


def build_tables(channels: Channels) -> Tables:
    """The tables of a compiled registry."""
    in_order = sorted(channels.units, key=channels.units.__getitem__)
    return Tables(
        key_table(channels.names), key_table((m, "") for m in sorted(channels.meters)), key_table((u, "") for u in in_order)
    )


_kept: dict[int, tuple[Channels, Tables]] = {}


def tables_of(channels: Channels) -> Tables:
    """`build_tables`, remembered for the registries last used."""
    found = _kept.get(id(channels))
    if found is None:
        while len(_kept) >= _KEPT_TABLES:
            _kept.pop(next(iter(_kept)))
        found = _kept[id(channels)] = (channels, build_tables(channels))
    return found[1]
