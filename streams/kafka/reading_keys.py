"""The key that a reading's record carries, and so its partition: what the zone's `key` names of its meter, at its time."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zonepulse.schemas.messages.partitioner import partition_key
from zonepulse.schemas.messages.reading_columns import ColumnChunk
from zonepulse.schemas.messages.readings import decode
from zonepulse.schemas.registry.lookup import RegistryIndex
from zonepulse.schemas.registry.model import MeterVersion, Registry


class ReadingKeys:
    """Keys by meter and time under one registry."""

    def __init__(self, registry: Registry) -> None:
        self._policy, self._index = registry.zone, RegistryIndex(registry)
        self._only_key = lru_cache(1 << 20)(self._one_key)

    def key(self, meter: str, register: str, ts_ms: int) -> str | None:
        """None for a meter that the registry does not know."""
        only = self._only_key(meter)
        return self._key_at(meter, register, ts_ms) if only == "" else only

    def of_record(self, value: bytes | None, content_type: bytes | None = None) -> tuple[str | None, int]:
        """The key of a record's first readable reading whose meter is known, and how many items the record has."""
        found = decode(value, content_type)
        rows = zip(found.meter, found.register, found.ts, found.reason, strict=True)
        first = next(((m, r, ts) for m, r, ts, reason in rows if not reason), None)
        return (None if first is None else self.key(*first)), len(found.meter)

    def of_columns(self, chunk: ColumnChunk) -> tuple[Sequence[str | None], NDArray[np.int64]]:
        """Keys, and for each row which of them it has; the first key is None."""
        meters, codes = _texts(chunk.meter)
        registers, register_codes = _texts(chunk.register)
        numbers: dict[str | None, int] = {None: 0}
        of_meter = np.zeros(len(meters), np.int64)
        moving = np.zeros(len(meters), bool)
        for i, meter in enumerate(meters):
            only = None if meter is None else self._only_key(meter)
            moving[i] = only == ""
            of_meter[i] = 0 if moving[i] else numbers.setdefault(only, len(numbers))
        rows = of_meter[codes]
        for row in np.flatnonzero(moving[codes]).tolist():
            key = self.key(str(meters[codes[row]]), registers[register_codes[row]] or "", int(chunk.ts_ms[row]))
            rows[row] = numbers.setdefault(key, len(numbers))
        return list(numbers), rows

    def _one_key(self, meter: str) -> str | None:
        """The key of all the meter's versions; '' where it changes, None for an unknown meter."""
        keys = {partition_key(self._policy, version) for version in self._index.versions(meter)}
        return next(iter(keys), None) if len(keys) < 2 else ""

    def _key_at(self, meter: str, register: str, ts_ms: int) -> str:
        """A power sample on a validity edge begins the later version, so does a period that names its begin; others end the earlier."""
        here, before = (self._index.version_at(meter, at) for at in (ts_ms, ts_ms - 1))
        version = here if before is None or (here is not None and _begins(here, register)) else before
        return partition_key(self._policy, version or self._index.versions(meter)[0])


def _texts(column: pa.DictionaryArray) -> tuple[list[str | None], NDArray[np.int64]]:
    """The dictionary of a column with None behind it, and each row's place in it."""
    texts: list[str | None] = column.dictionary.to_pylist()
    codes = np.asarray(column.indices.fill_null(len(texts)), np.int64)
    return [*texts, None], codes


def _begins(version: MeterVersion, register: str) -> bool:
    return any(r.id == register and (r.kind == "power" or r.stamp == "start") for r in version.registers)
