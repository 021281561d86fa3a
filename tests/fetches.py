"""What a broker would answer: real record batches, made by the client's own builders; and both ways of reading them."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from aiokafka import ConsumerRecord
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from faust.types import TP

from zonepulse.processors.channels.table import Channels, compile_registry
from zonepulse.processors.decoding.exact import Decoded
from zonepulse.schemas.messages.records import Headers, RecordSpans
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.kafka.record_arrays import spans

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
START_MS = 1_790_000_000_000
METERS = [("M1", "1.8.0", "kWh"), ("M1", "2.8.0", "kWh"), ("TC-0042-E1", "1.8.0", "MWh"), ("水表", "1.8.0", "kWh")]
_METER = """
  - id: {meter}
    site: s
    role: main
    registers:
      "1.8.0": {{carrier: electricity, direction: import, kind: cumulative, unit: {unit}, max_power: 1000000}}
      "2.8.0": {{carrier: electricity, direction: export, kind: cumulative, unit: {unit}, max_power: 1000000}}
    valid_from: 2024-01-01"""


def channels(meters: Iterable[tuple[str, str]] = (("M1", "kWh"), ("TC-0042-E1", "MWh"))) -> Channels:
    """A zone with these (meter, unit), two registers each."""
    zone = "zone: {id: z, timezone: Asia/Shanghai, factor_regions: [CN-JS, CN]}\ncompanies: [{id: a}]\n"
    zone += "sites: [{id: s, company: a, node: n}]\nmeters:"
    return compile_registry(parse_zone(zone + "".join(_METER.format(meter=m, unit=u) for m, u in meters) + "\n"), 4)


@dataclass(frozen=True)
class Message:
    """One record to be sent."""

    value: bytes | None
    key: bytes | None = b"gw-1"
    headers: Headers = ()
    timestamp_ms: int = START_MS


@dataclass
class RecordBatch:
    """A record batch and what its header says."""

    messages: Sequence[Message]
    base: int = 0
    codec: int = 0
    deltas: Sequence[int] | None = None
    producer: int = -1
    is_transactional: bool = False
    attributes: int = 0
    max_ms: int | None = None
    last_delta: int | None = None
    raw: bytes = field(default=b"", init=False)

    def __post_init__(self) -> None:
        builder = DefaultRecordBatchBuilder(2, self.codec, int(self.is_transactional), self.producer, 0, 0, 1 << 28)
        deltas = self.deltas or range(len(self.messages))
        for delta, m in zip(deltas, self.messages, strict=True):
            builder.append(delta, m.timestamp_ms, m.key, m.value, list(m.headers))
        raw = bytearray(builder.build())
        struct.pack_into(">q", raw, 0, self.base)
        if self.last_delta is not None:
            struct.pack_into(">i", raw, 23, self.last_delta)
        if self.max_ms is not None:
            struct.pack_into(">q", raw, 35, self.max_ms)
        raw[22] |= self.attributes
        self.raw = sealed(raw)


def sealed(raw: bytes | bytearray) -> bytes:
    """The batch with its checksum put right."""
    out = bytearray(raw)
    struct.pack_into(">I", out, 17, calc_crc32c(bytes(out[21:])))
    return bytes(out)


def fetch_with(middle: bytes) -> bytes:
    """Offsets 0 and 1, the batch in question at 2, and 10."""
    return RecordBatch([Message(b"a"), Message(b"b")]).raw + middle + RecordBatch([Message(b"z")], 10).raw


def broken(place: int, raw: bytes) -> bytes:
    out = bytearray(raw)
    out[place] ^= 0x10
    return bytes(out)


def control(base: int, producer: int, is_abort: bool) -> bytes:
    """A transaction's marker."""
    marker = Message(b"\0\0\0\0\0\0", struct.pack(">hh", 0, 0 if is_abort else 1))
    return RecordBatch([marker], base, producer=producer, is_transactional=True, attributes=32).raw


def ordinary(messages: Sequence[Message], base: int = 0) -> RecordSpans:
    """The same messages as the client's own records would be handed on."""
    records = [
        ConsumerRecord("t", 0, base + i, m.timestamp_ms, 0, m.key, m.value, None, _size(m.key), _size(m.value), m.headers)
        for i, m in enumerate(messages)
    ]
    return spans(TP("t", 0), records, base + len(records), 1)


def _size(text: bytes | None) -> int:
    return -1 if text is None else len(text)


def contents(records: RecordSpans) -> list[tuple[Any, ...]]:
    """Everything that a batch says, record by record."""
    return [
        (int(records.offset[i]), int(records.timestamp_ms[i]), records.key(i), records.value(i), records.headers.get(i, ()))
        for i in range(len(records))
    ]


def assert_same(found: Decoded, expected: Decoded) -> None:
    """Equal bit for bit: the sign of zero and the payload of NaN count."""
    for name, a, b in zip(found.items._fields, found.items, expected.items, strict=True):
        assert a.dtype == b.dtype, name
        assert np.array_equal(a.view(np.int64), b.view(np.int64)), (name, a[:20], b[:20])
    assert np.array_equal(found.record, expected.record)
    assert np.array_equal(found.item, expected.item)
