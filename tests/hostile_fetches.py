"""JSON readings and record batches as nobody should send them, run by tests in a process of its own:
`python hostile_fetches.py SEED ROUNDS`.

Half of the rounds change readings, half change the bytes of record batches, whose checksums nobody asks then. All that decodes them must
return, kernels and their slow twins must say the same, and the process must end with status 0.
"""

import json
import random
import struct
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from faust.types import TP
from fetches import CODECS, START_MS, Message, RecordBatch, assert_same, channels, ordinary, sealed

from zonepulse.processors.decoding.contained import decode_contained
from zonepulse.processors.decoding.exact import decode_records
from zonepulse.processors.decoding.fast import decode_fast
from zonepulse.processors.decoding.kafka_format import CorruptBatch, OldFormat, spans_of_fetch
from zonepulse.processors.metering.dead_letters import dead_letters
from zonepulse.processors.metering.partition import Partition
from zonepulse.schemas.messages.dead_letters import MAX_KEY_BYTES, MAX_VALUE_BYTES
from zonepulse.schemas.messages.records import RecordSpans
from zonepulse.streams.kafka.checked_records import OldFormat as Old
from zonepulse.streams.kafka.checked_records import checked_records
from zonepulse.streams.kafka.raw_batches import RawFetch, read_batches

CHANNELS = channels()
READING: dict[str, Any] = {
    "meter": "M1",
    "register": "1.8.0",
    "ts": START_MS,
    "value": 12.5,
    "unit": "kWh",
    "seq": 3,
    "quality": "measured",
}
TOKENS = [
    "NaN", "-Infinity", "1e400", "5e-324", "9" * 400, "-0", "01", "1.", ".5", "1e", "0x1", "true", "null", '""', '"\\u0000"', '"\\ud800"',
    '"\\q"', '"\x00"', '"\x1b[2J"', "[" * 300, "{" * 300, "[]", "{}",
    '{"meter":1}', ",", ":", "]", "}", '"', "\\", " " * 500, "\t\n\r", "\ufeff",
    '"2026-13-01T00:00:00Z"', '"0001-01-01T00:00:00+23:59"', '"2026-02-03T04:05:06Z\\u0000"', "9223372036854775808", "18446744073709551616",
    "1_0", "\u0661", "//", "/**/", '"ts":1,"ts":2',
]  # fmt: skip


def changed(rng: random.Random, text: bytes) -> bytes:
    """One change somewhere in a text."""
    at = rng.randrange(len(text) + 1)
    how = rng.randrange(6)
    if how == 0:
        return text[:at] + rng.choice(TOKENS).encode("utf-8", "surrogatepass") + text[at + rng.randrange(4) :]
    if how == 1:
        return text[:at] + rng.randbytes(rng.randrange(1, 4)) + text[at:]
    if how == 2:
        return text[:at] + text[at + rng.randrange(1, 9) :]
    if how == 3:
        return text[:at]
    if how == 4:
        end = min(len(text), at + rng.randrange(1, 40))
        return text[:end] + text[at:end] * rng.randrange(1, 20) + text[end:]
    out = bytearray(text)
    if out:
        out[at % len(out)] ^= 1 << rng.randrange(8)
    return bytes(out)


def reading(rng: random.Random) -> bytes:
    """A good or nearly good reading, or several."""
    one = READING | {"ts": START_MS + rng.randrange(10**6), "value": rng.choice([0, 1.5, -1e300, 10**18, 1e-320])}
    names = rng.sample(list(one), rng.randint(3, len(one)))
    text = json.dumps({name: one[name] for name in names}).encode()
    return b"[" + b",".join([text] * rng.randrange(1, 5)) + b"]" if rng.random() < 0.4 else text


def judge(records: RecordSpans, partition: Partition) -> None:
    """Decoders, admission and letters on one stretch of records."""
    n = len(records)
    ingest = partition.ingest_times(records.timestamp_ms)
    fast = decode_fast(records, 0, n, ingest, CHANNELS)
    assert_same(fast, decode_records(records, 0, n, ingest, CHANNELS))
    batch, poison = decode_contained(records, 0, n, ingest, CHANNELS)
    assert set(poison) <= set(records.refused)
    partition.apply(batch.items, int(ingest[n - 1]))
    sizes = records.value_end - records.value_start
    letters = list(dead_letters(batch, records, CHANNELS))
    assert all(len(x.value or b"") <= MAX_VALUE_BYTES and len(x.key or b"") <= MAX_KEY_BYTES for x in letters)
    assert sum(len(x.value or b"") for x in letters) <= 3 * int(np.maximum(sizes, 0).sum()) + 1_400 * len(letters)


def json_round(rng: random.Random, partition: Partition) -> None:
    """Some records, most of them changed."""
    values = []
    for _ in range(rng.randrange(1, 6)):
        text = reading(rng)
        for _ in range(rng.choice((0, 1, 1, 2, 5))):
            text = changed(rng, text)
        values.append(text)
    judge(ordinary([Message(value, rng.choice([b"M1", None, b"\xff"])) for value in values]), partition)


def batches(rng: random.Random) -> Iterator[bytes]:
    """One fetch's batches."""
    for base in range(0, 3 * rng.randrange(1, 4), 3):
        made = RecordBatch(
            [Message(reading(rng), headers=(("h", b"x"),) * rng.randrange(3)) for _ in range(3)],
            base,
            rng.choice([*CODECS.values()]),
        )
        raw = bytearray(made.raw)
        for _ in range(rng.choice((0, 1, 1, 3))):
            at = rng.randrange(len(raw))
            if rng.random() < 0.3 and at + 8 <= len(raw):
                raw[at : at + 8] = struct.pack(">q", rng.choice((-1, 0, 2**31 - 1, 2**63 - 1, -(2**63))))
            else:
                raw[at] = rng.randrange(256)
        yield sealed(raw) if rng.random() < 0.5 else bytes(raw)


def batch_round(rng: random.Random, partition: Partition) -> None:
    """A fetch, its checksums not asked: what is read of it is judged as any other record."""
    raw = b"".join(batches(rng))
    if rng.random() < 0.2:
        raw = raw[: rng.randrange(len(raw))]
    try:
        found = spans_of_fetch(raw, "t", 0, 0, (), False)
    except (CorruptBatch, OldFormat):
        found = None
    if found is not None and len(found):
        judge(found, partition)
    for part in (
        read_batches(TP("t", 0), RawFetch(raw, 0, 0, (), False), 0, 7, 1000, 1 << 24) if len(raw) > 17 and raw[16] >= 2 else ()
    ):
        if len(part) and not part.refused:
            judge(part, partition)
    try:
        for records, behind in checked_records(raw, 0, (), False, True, lambda record: record):
            assert behind >= 0 or not records
    except Old:
        pass


def main(seed: int, rounds: int) -> None:
    """So many rounds of each kind."""
    rng = random.Random(seed)
    for number in range(rounds):
        if number % 200 == 0:
            partition = Partition(CHANNELS, 0)
        state = rng.getstate()
        try:
            json_round(rng, partition)
            batch_round(rng, partition)
        except BaseException:
            print(f"seed {seed}, round {number}, state {hash(state)}", file=sys.stderr)
            raise


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
