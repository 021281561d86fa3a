"""What a release makes of half a log, written by its own sources (tests/released.py).

The log and the states of all partitions and of the ledger behind its first half, as MessagePack; tests/contract/test_release.py goes on.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import zstandard
from core_runs import spans
from snapshots import Shelves

from zonepulse.oracle.metering.decode import Record
from zonepulse.processors.metering.snapshot import SCHEMA
from zonepulse.processors.zone_run import ZoneRun
from zonepulse.schemas.messages.partitioner import partition_of
from zonepulse.schemas.zone_file.read import parse_zone
from zonepulse.streams.chaos.data import chaos_sample, chaos_zone_yaml

FILE = Path(__file__).parent / "data" / "release.zst"
PARTITIONS = 2
RECORDS = 4_500
FETCH = 100
"""Records of all partitions that come at once."""


@dataclass(slots=True)
class ReleaseState:
    """`fetches`: of each the records (partition, offset, time, key, value, headers); `shelves`: facts and chunks by number."""

    version: str
    schema: int
    zone: str
    fetches: list[list[tuple[int, int, int, bytes | None, bytes | None, list[tuple[str, bytes]]]]]
    half: int
    partitions: list[tuple[bytes, dict[int, bytes], int]]
    ledger: tuple[bytes, dict[int, bytes], int]

    def log(self) -> list[list[Record]]:
        """One partition a fetch."""
        return [[Record(p, o, t, k, v, tuple(map(tuple, h))) for p, o, t, k, v, h in fetch] for fetch in self.fetches]  # type: ignore[arg-type]


def read(path: Path) -> ReleaseState:
    return msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(path.read_bytes()), type=ReleaseState)


def main(path: Path, version: str) -> None:
    sample = chaos_sample(1, 20)
    zone = chaos_zone_yaml(sample.changes)
    fetches: list[list[Any]] = []
    next_offset = [0] * PARTITIONS
    for start in range(0, RECORDS, FETCH):
        parts: list[list[Any]] = [[] for _ in range(PARTITIONS)]
        for i in range(start, start + FETCH):
            p = partition_of(sample.key[i].decode(), PARTITIONS)
            at = int(np.asarray(sample.arrival_ms)[i])
            parts[p].append((p, next_offset[p], at, sample.key[i], sample.value[i], list(sample.headers.get(i, ()))))
            next_offset[p] += 1
        fetches += [part for part in parts if part]
    half = len(fetches) // 2
    state = ReleaseState(version, SCHEMA, zone, fetches, half, [], (b"", {}, 0))
    core, shelves = ZoneRun(parse_zone(zone), PARTITIONS), Shelves(PARTITIONS)
    for fetch in state.log()[:half]:
        core.records(spans(fetch))
    shelves.put(core)
    state.partitions = [shelf.kept() for shelf in shelves.partitions]
    state.ledger = shelves.ledger.kept()
    path.write_bytes(zstandard.ZstdCompressor(level=19).compress(msgspec.msgpack.encode(state)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
