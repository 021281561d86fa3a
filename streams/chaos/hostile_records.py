"""Hostile records for every topic of a zone: damaged, forged, far too large. Pure; the same for the same seed.

Those for `zp.readings` the oracle judges as well. On the other topics every record is one that no task can have made: a dead letter.
"""

import json
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from zonepulse.schemas.messages.dead_letters import DeadLetter
from zonepulse.schemas.messages.records import ARROW, CONTENT_TYPE, HEARTBEAT, REGISTRY, Headers
from zonepulse.schemas.tables.results import INTERVALS, TOTALS, Table
from zonepulse.streams.kafka.interval_codec import PARTITION, THROUGH, encode
from zonepulse.streams.kafka.interval_codec import REGISTRY as VERSION

_OFFSETS: Final = struct.pack("<3i", 0, 2, 7)
_ARROW: Final = ((CONTENT_TYPE, ARROW),)


@dataclass(frozen=True, slots=True)
class Hostile:
    """One record."""

    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()


def readings(rng: random.Random, at_ms: int) -> Iterator[Hostile]:
    """For `zp.readings`, at about `at_ms` of its time."""
    key = b"g%d" % rng.randrange(12)
    one = {"meter": "0-E1", "register": "1.8.0", "ts": at_ms, "value": 1.0}
    yield Hostile(rng.randbytes(300), key)
    yield Hostile(None, rng.randbytes(20))
    yield Hostile(b"[" * 100_000, key)
    yield Hostile(json.dumps([one | {"meter": f"X{i}"} for i in range(rng.randrange(1, 4_000))]).encode(), key)
    yield Hostile(json.dumps([one | {"ts": at_ms + 10**9}] * 2_000).encode(), key)
    yield Hostile(b"[" + b"1," * 20_000 + b"1]", key)
    yield Hostile(json.dumps(one | {"value": 10**400}).encode(), key)
    yield Hostile(json.dumps(one | {"meter": "\x1b[2J" * 50, "register": "' OR 1=1 --"}).encode(), key)
    yield Hostile(json.dumps(one).encode()[: rng.randrange(1, 40)], key)
    yield Hostile(b"x" * rng.randrange(1_000_000, 7_900_000), key)
    yield Hostile(json.dumps(one | {"meter": "nobody"}).encode(), key, ((REGISTRY, b"999"),))
    yield Hostile(HEARTBEAT, key, ((REGISTRY, b"9" * 5_000),))
    yield Hostile(json.dumps(one | {"meter": "nobody"}).encode(), key, (("h", b""),) * 1_001)
    block = _readings_block(["ab", "cdefg"])
    for lie in ((0, 2, 1 << 30), (7, 2, 0), (0, -5, 7)):
        yield Hostile(block.replace(_OFFSETS, struct.pack("<3i", *lie)), key, _ARROW)
    yield Hostile(_readings_block([f"Y{i}" for i in range(rng.randrange(1, 3_000))]), key, _ARROW)
    cut = bytearray(block)
    cut[rng.randrange(len(cut))] ^= 1 << rng.randrange(8)
    yield Hostile(bytes(cut[: rng.randrange(8, len(cut))]), key, _ARROW)


def _readings_block(meters: list[str]) -> bytes:
    n = len(meters)
    batch = pa.RecordBatch.from_pydict({"meter": meters, "register": ["1.8.0"] * n, "ts": [0] * n, "value": [1.0] * n})
    return encode(batch)


def _foreign_row(table: Table) -> pa.RecordBatch:
    """A row of a zone that is not this one."""
    values: dict[str, Any] = {"str": "elsewhere", "code": "elsewhere", "time": 0, "f64": 1.0, "bytes": b"x"}
    columns = [
        pa.array([values.get(c.kind, 1)], c.arrow.value_type if pa.types.is_dictionary(c.arrow) else c.arrow) for c in table.columns
    ]
    coded = [a.dictionary_encode() if pa.types.is_dictionary(c.arrow) else a for a, c in zip(columns, table.columns, strict=True)]
    return pa.RecordBatch.from_arrays(coded, schema=table.arrow_schema)


def _junk(rng: random.Random) -> Iterator[bytes]:
    yield rng.randbytes(rng.randrange(1, 3_000))
    yield b"\xff\xff\xff\xff"
    yield b"\xff\xff\xff\xff\xff\xff\xff\x7f"
    yield bytes(rng.randrange(1, 900_000))
    yield b'{"meter": "m"}'
    yield b"[" * 50_000


def intervals(rng: random.Random) -> Iterator[Hostile]:
    """For `zp.intervals`."""
    good: dict[bytes, bytes] = {PARTITION: b"0", VERSION: b"1", THROUGH: b"5"}
    row, empty = _foreign_row(INTERVALS), pa.RecordBatch.from_pylist([], INTERVALS.arrow_schema)
    for junk in _junk(rng):
        yield Hostile(junk, b"0")
    forged: tuple[dict[bytes, bytes], ...] = (
        {PARTITION: b"x"}, {PARTITION: b"77"}, {PARTITION: b"-1"}, {THROUGH: b"9" * 5_000}, {THROUGH: b"%d" % 2**70},
        {THROUGH: b"%d" % 10**12}, {THROUGH: b"-5"}, {VERSION: b"9" * 5_000},
    )  # fmt: skip
    for change in forged:
        yield Hostile(encode(empty, good | change), b"0")
    yield Hostile(encode(row, good), b"0")
    whole = encode(row, good)
    yield Hostile(whole[: rng.randrange(40, len(whole) - 40)], b"0")


def results(rng: random.Random) -> Iterator[Hostile]:
    """For `zp.results`."""
    for junk in _junk(rng):
        yield Hostile(junk, b"totals")
    row = encode(_foreign_row(TOTALS))
    yield Hostile(row, b"totals")
    yield Hostile(row, b"junk")
    yield Hostile(row, b"\xff\xfe")


def alerts(rng: random.Random) -> Iterator[Hostile]:
    """For `zp.alerts`."""
    for n, junk in enumerate((*_junk(rng), b"{}", b"[]", b"17", b"\xff\xfe")):
        yield Hostile(junk, b"forged %d %d" % (n, rng.getrandbits(31)))


def deadletters(rng: random.Random) -> Iterator[Hostile]:
    """For `zp.deadletters`."""
    good = DeadLetter("zp.readings", 1, 17, -1, "malformed", 0, None, b"x").headers()
    yield Hostile(rng.randbytes(100), b"k")
    for name in ("partition", "offset", "item", "received_at"):
        headers = tuple((n, b"x" if n == name else v) for n, v in good)
        yield Hostile(b"forged", b"k", headers)
        yield Hostile(b"forged", b"k", tuple((n, b"%d" % (1 << 70) if n == name else v) for n, v in good))


def registry(rng: random.Random) -> Iterator[Hostile]:
    """For `zp.registry`."""
    tail = b"%d" % rng.getrandbits(31)
    for key, value in (
        (b"junk", b"junk"), (b"\xff\xfe", b"{}"), (b"7/zone/x", b"no JSON"), (b"7/meter/x", b"[" * 50_000), (b"x/zone/x", b"{}"),
        (b"%d/zone/x" % (1 << 62), b'{"at":[0],"facts":[{}],"entities":1}'),
    ):  # fmt: skip
        yield Hostile(value, key + tail)


def commands(rng: random.Random) -> Iterator[Hostile]:
    """For `zp.commands`: what is no command does nothing."""
    for junk in _junk(rng):
        yield Hostile(junk, b"skip/readings/0/0")
    yield Hostile(b'{"kind":"skip","target":"readings/x/y"}', b"k")


def checkpoints(rng: random.Random) -> Iterator[Hostile]:
    """For a topic of snapshots: what is none of ours is left alone."""
    for key in (b"junk", b"\xff\xfe", b"0/junk", b"0/5/xx/y/1", b"0/manifest/99/x", b"0/manifest/x/y/z", b"0/0/1/x/1"):
        yield Hostile(rng.choice((b"junk", b'{"schema":99}', rng.randbytes(50))), key)
