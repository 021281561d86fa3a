"""Records of 8 MB, the most that a broker takes, given to what consumes them in a process of its own:
`python large_records.py EVERY CONSUMER ...`, of each consumer's forms every EVERY-th.

A line of JSON for each form says how many bytes the process grew at its peak, by the kernel's count, from just before the record to the
moment when all that was made of it was sent on. Each form must be handled or refused; nothing may raise.
"""

import asyncio
import ctypes
import gc
import json
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from faust.types import TP
from fetches import START_MS, Message, RecordBatch, channels, ordinary
from zones import zone

from zonepulse.processors.metering.partition import Partition
from zonepulse.processors.metering.snapshot import SCHEMA, BadSnapshot, decode
from zonepulse.schemas.messages.arrow_blocks import MAX_INFLATED_BYTES
from zonepulse.schemas.messages.commands import BadCommand, parse_command
from zonepulse.schemas.messages.records import CONTENT_TYPE, RecordSpans
from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.subscribers import BadSubscriber
from zonepulse.schemas.registry.wire import by_version, decode_factor, to_entities
from zonepulse.streams.checkpoints.checkpoint import manifests_of
from zonepulse.streams.checkpoints.log import Found
from zonepulse.streams.clickhouse.registry_rows import RegistryRows
from zonepulse.streams.clickhouse.stored_rows import rows_of
from zonepulse.streams.control.registry_store import RegistryStore
from zonepulse.streams.control.registry_topic import registry_of
from zonepulse.streams.kafka.origin import Origin
from zonepulse.streams.kafka.raw_batches import RawFetch, read_batches
from zonepulse.streams.notify.routing.facts import BadAlert, parse_row
from zonepulse.streams.notify.routing.people import People
from zonepulse.streams.notify.routing.state import BadEntry, State
from zonepulse.streams.workers.interval_intake import take
from zonepulse.streams.workers.one_thread import OneThread
from zonepulse.streams.workers.reading_fold import fold

ROOM = 7_900_000
"""Bytes of a value that still fits with its key and headers."""
ARROW = ((CONTENT_TYPE, b"application/vnd.apache.arrow.stream"),)
REGISTRY: Registry = replace(zone(), version=1)
ORIGIN = Origin(REGISTRY.zone.id, 4, REGISTRY.zone.tick_ms, REGISTRY.zone.future_ms, tuple)
READING = b'{"meter":"M1","register":"1.8.0","ts":%d,"value":1.5%s}'


# --- forms ------------------------------------------------------------------------------------------------------------------------


def filled(piece: bytes, start: bytes = b"", end: bytes = b"") -> bytes:
    """As many pieces as fit between start and end; a comma is none's last byte."""
    return start + (piece * ((ROOM - len(start) - len(end)) // len(piece))).rstrip(b",") + end


def plain() -> Iterator[tuple[str, bytes]]:
    """Of nothing in particular."""
    yield "small", b"{}"
    yield "random", random.Random(7).randbytes(ROOM)
    yield "zeros", bytes(ROOM)
    yield "blanks", b" " * ROOM
    yield "blanks around", filled(b" ", b"[", b"]")
    yield "brackets", b"[" * ROOM
    yield "braces", filled(b'{"a":')
    yield "one number", b"9" * ROOM
    yield "one string", filled(b"x", b'"', b'"')
    yield "one wide string", filled("水".encode(), b'"', b'"')
    yield "one escaped string", filled(b"\\u6c34", b'"', b'"')
    yield "keys", b"{" + b",".join(b'"%07x":0' % i for i in range(ROOM // 13)) + b"}"
    yield "equal keys", filled(b'"":0,', b"{", b"}")
    for name, piece in PIECES.items():
        yield f"field of {name}", filled(piece, b'{"facts":[', b'],"at":[]}')


PIECES = {
    "numbers": b"1,",
    "large numbers": b"12345678,",
    "floats": b"1.5,",
    "numbers of 400 digits": b"9" * 400 + b",",
    "strings": b'"ab",',
    "wide strings": '"水",'.encode(),
    "arrays": b"[],",
    "arrays of one": b"[0],",
    "objects": b"{},",
    "objects of one": b'{"":0},',
    "objects in objects": b'{"":{"":0}},',
    "nested arrays": b"[" * 40 + b"]" * 40 + b",",
}


def readings() -> Iterator[tuple[str, Message]]:
    """In JSON, in Arrow and in neither."""
    for name, value in plain():
        yield name, Message(value)
    for value in (bytes(ROOM), b"\xff\xff\xff\xff" * (ROOM // 4), b"\xff\xff\xff\xff\x00\xff\x00\x00" * (ROOM // 8)):
        yield "no Arrow", Message(value, headers=ARROW)
    one = READING % (START_MS, b"")
    yield "array of readings", Message(filled(one + b",", b"[", b"]"))
    yield "array of unknown meters", Message(filled((one + b",").replace(b"M1", b"X1"), b"[", b"]"))
    yield "array of half known", Message(filled(one + b"," + one.replace(b"M1", b"X1") + b",", b"[", b"]")[: ROOM // 2])
    for name, piece in PIECES.items():
        yield f"array of {name}", Message(filled(piece, b"[", b"]"))
        yield f"reading with {name}", Message(READING % (START_MS, filled(piece, b',"x":[', b"]")))
    yield "key", Message(b"{}", key=b"k" * ROOM)
    yield "header", Message(one, headers=(("x", b"h" * ROOM),))
    yield "headers", Message(one, headers=(("", b""),) * (ROOM // 3))
    yield "switches", Message(b"[]", headers=(("registry", b"9" * 1_000),) * (ROOM // 1_020))
    for name, value in blocks():
        yield f"Arrow: {name}", Message(value, headers=ARROW)


def stream(columns: dict[str, Any], compression: str | None = None, batches: int = 1, metadata: Any = None) -> bytes:
    table = pa.table(columns)
    table = table.replace_schema_metadata(metadata) if metadata else table
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        for _ in range(batches):
            writer.write_table(table)
    return bytes(sink.getvalue())


def repeated(text: str, rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([text]))


def blocks() -> Iterator[tuple[str, bytes]]:
    """Arrow streams of readings."""
    rows = 100_000
    good = {
        "meter": repeated("M1", rows),
        "register": repeated("1.8.0", rows),
        "ts": np.full(rows, START_MS),
        "value": np.zeros(rows),
    }
    yield "good", stream(good)
    yield "unknown meters", stream(good | {"meter": repeated("X", rows)})
    yield "long unknown meter", stream(good | {"meter": repeated("X" * 4_000_000, rows)})
    yield "longest unknown meter", stream(good | {"meter": repeated("X" * (MAX_INFLATED_BYTES // 2), rows)}, "zstd")
    yield "long unit", stream(good | {"unit": repeated("X" * 4_000_000, rows)})
    yield "long numbers", stream(good | {"value": repeated("9" * 4_000_000, rows)})
    yield "long times", stream(good | {"ts": repeated("9" * 4_000_000, rows)})
    yield "plain texts", stream(good | {"meter": pa.array(["X" * 300] * rows)}, "zstd")
    yield "texts as values", stream(good | {"value": pa.array(["9" * 300] * rows), "unit": pa.array(["X" * 250] * rows)}, "zstd")
    yield "nulls", stream({name: pa.nulls(rows) for name in good}, batches=1)
    few = {name: column[:1] for name, column in good.items()}
    yield "batches", stream(few, batches=ROOM // 1_000)
    yield "empty batches", stream({name: column[:0] for name, column in good.items()}, batches=ROOM // 900)
    yield "columns", stream(few | {f"c{i}": pa.nulls(1) for i in range(ROOM // 400)})[:ROOM]
    yield "metadata", stream(few, metadata={b"x": b"m" * (ROOM - 10_000)})


def control_blocks() -> Iterator[tuple[str, bytes]]:
    """Of `zp.intervals` and `zp.results`: the bytes of others, and such as say that they are theirs."""
    yield from plain()
    for name, value in blocks():
        yield f"Arrow: {name}", value
    said = {b"partition": b"1", b"registry": b"1", b"through": b"1"}
    for name, piece in PIECES.items():
        rows = pa.array([filled(piece, b"[", b"]")], pa.binary())
        yield f"candidate of {name}", stream({"transition": rows}, metadata=said | {b"kind": b"candidates"})
    small = pa.array([b"{}"] * 100_000, pa.binary())
    yield "candidates", stream({"transition": small}, metadata=said | {b"kind": b"candidates"})
    yield "digits", stream({"x": [1]}, metadata=said | {b"through": b"9" * (ROOM // 2)})


def alerts() -> Iterator[tuple[str, bytes]]:
    """As rows of the table, and not."""
    yield from plain()
    for name, piece in PIECES.items():
        yield f"evidence of {name}", filled(piece, b'{"rule":"stale","labels":{},"evidence":[', b"]}")


# --- consumers --------------------------------------------------------------------------------------------------------------------


def consume_readings() -> Iterator[tuple[str, Callable[[], object]]]:
    """From the bytes of a fetch to the letters, each as it is sent."""
    known = channels()

    def one(raw: bytes) -> None:
        for records in read_batches(TP("t", 0), RawFetch(raw, 0, 0, (), False), 0, 7, 1_000, 1 << 24):
            if len(records):
                made = fold(Partition(known, 0), records, 0, len(records))
                for letter in made.folded.letters:
                    letter.cut().headers()

    for name, message in readings():
        yield name, partial(one, RecordBatch([message]).raw)


def consume_intervals() -> Iterator[tuple[str, Callable[[], object]]]:
    """The ledger's intake."""
    thread = OneThread("test")
    store = RegistryStore(lambda: {1: REGISTRY}, 4, {1: REGISTRY}, lambda: 1)

    def one(records: RecordSpans) -> None:
        asyncio.run(take(records, (), lambda _, __: True, ORIGIN, store, 1, thread))

    for name, value in control_blocks():
        yield name, partial(one, ordinary([Message(value)]))


def rows(records: RecordSpans, topic: str) -> None:
    """The store's."""
    list(rows_of(records, topic, ORIGIN))


def consume_by_store(
    topic: str, made: Iterable[tuple[str, bytes]], key: bytes = b"intensity"
) -> Iterator[tuple[str, Callable[[], object]]]:
    """The store's rows of one topic."""
    for name, value in made:
        yield name, partial(rows, ordinary([Message(value, key)]), topic)


def letters() -> Iterator[tuple[str, Message]]:
    """With the headers of a letter, and without."""
    said = {"topic": b"zp.readings", "partition": b"0", "offset": b"1", "item": b"-1", "reason": b"late", "received_at": b"1"}
    for name, value in plain():
        yield name, Message(value, headers=tuple(said.items()))
    for name in said:
        yield f"long {name}", Message(b"", headers=tuple((said | {name: b"9" * ROOM}).items()))
    yield "headers", Message(b"", headers=tuple(said.items()) * (ROOM // 80))
    yield "key", Message(b"", key=b"k" * ROOM, headers=tuple(said.items()))


def consume_letters() -> Iterator[tuple[str, Callable[[], object]]]:
    for name, message in letters():
        yield name, partial(rows, ordinary([message]), "deadletters")


def entities() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Whole versions of one record that is large, and records that are no version's."""
    good = to_entities(REGISTRY)
    zone_key, zone_value = good[-1]
    more = json.loads(zone_value)
    more["entities"] += 1
    counted = (zone_key, json.dumps(more).encode())
    for name, value in plain():
        yield f"zone: {name}", [*good[:-1], (zone_key, value)]
    for kind, name in product(("extra", "network", "meter", "company"), ("floats", "strings", "objects in objects")):
        value = filled(PIECES[name], b'{"at":[0],"facts":[', b"]}")
        yield f"{kind} of {name}", [*good[:-1], (f"1/{kind}/large", value), counted]
    yield "places", [*good[:-1], ("1/meter/large", filled(b"1,", b'{"facts":[],"at":[', b"]}")), counted]
    yield "key", [("1/meter/" + "k" * ROOM, b"{}")]


def consume_registry() -> Iterator[tuple[str, Callable[[], object]]]:
    """The store's rows of a version, and a worker that compiles it."""

    def one(records: list[tuple[str, bytes]]) -> None:
        batch = ordinary([Message(value, key.encode()) for key, value in records])
        list(RegistryRows(REGISTRY.zone.id).add(batch))

    def loaded(records: list[tuple[str, bytes]]) -> None:
        registry_of("zp.registry", 1, by_version(dict(records))[1])

    for name, records in entities():
        yield name, partial(one, records)
        yield f"{name}, loaded", partial(loaded, records)


def refused(consume: Callable[[], object], *refusals: type[Exception]) -> Callable[[], object]:
    def one() -> None:
        try:
            consume()
        except refusals:
            return

    return one


def consume_commands() -> Iterator[tuple[str, Callable[[], object]]]:
    made = [*plain()]
    command = b'{"kind":"comment","target":"0123456789abcdef/1","who":"w","why":%s}'
    made += [(f"why of {name}", command % filled(piece, b"[", b"]")) for name, piece in PIECES.items()]
    for name, value in made:
        yield name, refused(partial(parse_command, value), BadCommand)


def consume_notify() -> Iterator[tuple[str, Callable[[], object]]]:
    for name, value in alerts():
        yield f"factor: {name}", refused(partial(decode_factor, value), ValueError, TypeError, RecursionError)
        yield f"alert: {name}", refused(partial(parse_row, value), BadAlert)
        yield f"subscriber: {name}", refused(partial(People().put, "x", value), BadSubscriber)
        yield f"wish: {name}", refused(partial(People().put, "x/wish", value), BadSubscriber)
        yield f"state: {name}", refused(partial(State().put, "alert/x", value), BadEntry)


def consume_checkpoints() -> Iterator[tuple[str, Callable[[], object]]]:
    def one(key: str, value: bytes) -> None:
        found = Found()
        found.put(0, 1, key.encode(), value)
        manifests_of(found)

    start = b'{"schema":%d,"generation":1,"owner":"0","next_offset":1,"chunks":[],"facts":' % SCHEMA
    for name, value in plain():
        yield f"manifest: {name}", partial(one, "0/manifest/1/00000000", value)
        yield f"chunk: {name}", partial(one, "0/1/1/00000000/1", value)
        yield f"arrays: {name}", refused(partial(decode, value), BadSnapshot)
    for name, piece in PIECES.items():
        yield f"facts of {name}", partial(one, "0/manifest/1/00000000", filled(piece, start + b'{"x":[', b"]}}"))
        yield f"chunks of {name}", partial(one, "0/manifest/1/00000000", filled(piece, start + b'{},"chunks":[', b"]}"))
    yield "key", partial(one, "0/manifest/" + "9" * ROOM, b"{}")


CONSUMERS = {
    "readings": consume_readings,
    "intervals": consume_intervals,
    "stored intervals": lambda: consume_by_store("intervals", control_blocks()),
    "results": lambda: consume_by_store("results", control_blocks()),
    "alerts": lambda: consume_by_store("alerts", alerts()),
    "letters": consume_letters,
    "registry": consume_registry,
    "commands": consume_commands,
    "notify": consume_notify,
    "checkpoints": consume_checkpoints,
}


# --- measuring --------------------------------------------------------------------------------------------------------------------


def memory(name: str) -> int:
    return int(Path("/proc/self/status").read_text().split(name + ":")[1].split()[0]) * 1024


def growth(consume: Callable[[], object]) -> int:
    """Bytes between what the process holds now and its peak while it consumes."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = memory("VmRSS")
    consume()
    return memory("VmHWM") - before


def main(every: int, consumers: Iterable[str]) -> None:
    gc.freeze()
    for consumer in consumers:
        made = CONSUMERS[consumer]()
        next(made)[1]()  # what is imported and compiled with the first
        for name, consume in islice(made, 0, None, every):
            print(json.dumps([f"{consumer}: {name}", growth(consume)]), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
