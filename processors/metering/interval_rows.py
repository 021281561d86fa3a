"""Rows of the kernels <-> Arrow record batches of schemas.results. No Python loop over rows: labels become dictionary columns."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zonepulse.processors.channels.table import LABELS, Channels
from zonepulse.processors.channels.versions import version_at
from zonepulse.processors.flow import BIT_CORRECTED, BIT_ESTIMATED, METHOD_MASK, ROW, Rows
from zonepulse.schemas.messages.dead_letters import DeadLetter
from zonepulse.schemas.tables.interval_block import INTERVAL_BLOCK
from zonepulse.schemas.tables.results import ALERTS, DEAD_LETTERS, EXPECTED, INTERVALS, METHODS, QUALITIES, Table

_QUALITIES = pa.array(QUALITIES, pa.string())
_METHODS = pa.array(METHODS, pa.string())
VERSION = INTERVAL_BLOCK.names[-1]


def constant(text: str, n: int) -> pa.Array:
    """A dictionary column with one value."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([text], pa.string()))


def coded(codes: NDArray[Any], texts: pa.Array) -> pa.Array:
    """A dictionary column that carries only the texts in use."""
    used, compact = np.unique(codes, return_inverse=True)
    return pa.DictionaryArray.from_arrays(pa.array(compact.astype(np.int32)), texts.take(pa.array(used)))


def times(ms: NDArray[np.int64], null: NDArray[np.bool_] | None = None) -> pa.Array:
    """Epoch ms as Arrow timestamps."""
    return pa.array(ms, pa.int64(), mask=null).cast(pa.timestamp("ms", tz="UTC"))


def table_batch(table: Table, columns: dict[str, Any]) -> pa.RecordBatch:
    """A record batch with exactly the table's columns, in order."""
    return pa.RecordBatch.from_arrays([columns[c.name] for c in table.columns], schema=table.arrow_schema)


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """A contiguous copy of a record field."""
    return np.ascontiguousarray(values)


def version_labels(channels: Channels, versions: NDArray[np.int64], names: tuple[str, ...] = LABELS) -> dict[str, pa.Array]:
    """Dictionary columns of the labels of many versions, coded through the few versions in use."""
    used, compact = np.unique(versions, return_inverse=True)
    out = {}
    for name in names:
        codes, inner = np.unique(channels.labels[name][used], return_inverse=True)
        texts = channels.texts[name].take(pa.array(codes))
        out[name] = pa.DictionaryArray.from_arrays(pa.array(inner.astype(np.int32)[compact]), texts)
    return out


def quality_codes(bits: NDArray[np.int64], missing: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Position in QUALITIES of each row."""
    codes = np.where(bits & BIT_ESTIMATED, 3, np.where(bits & BIT_CORRECTED, 2, 1))
    return np.where(missing, 0, codes).astype(np.int32)


def interval_batch(rows: Rows, channels: Channels) -> pa.RecordBatch:
    """Interval rows as a batch of schemas.results.INTERVALS, `was_` columns included."""
    n = len(rows)
    missing, was_missing = rows["cov"] == 0, rows["was_cov"] == 0
    bits = _plain(rows["bits"])
    zone = channels.registry.zone
    method = np.where(missing, 0, bits & METHOD_MASK).astype(np.int32)
    columns: dict[str, Any] = version_labels(channels, _plain(rows["version"])) | {
        "zone": constant(zone.id, n),
        "start": times(_plain(rows["start"])),
        "length_s": pa.array(np.full(n, zone.window_ms // 1000, np.int32)),
        "value_micro": pa.array(_plain(rows["val"]), mask=missing),
        "estimated_micro": pa.array(np.where(missing, 0, rows["est"])),
        "covered_ms": pa.array(_plain(rows["cov"])),
        "quality": pa.DictionaryArray.from_arrays(pa.array(quality_codes(bits, missing)), _QUALITIES),
        "method": pa.DictionaryArray.from_arrays(pa.array(method), _METHODS),
        "revision": pa.array(_plain(rows["revision"])),
        "was_value_micro": pa.array(_plain(rows["was_val"]), mask=was_missing),
        "was_estimated_micro": pa.array(_plain(rows["was_est"])),
        "was_covered_ms": pa.array(_plain(rows["was_cov"])),
    }
    return table_batch(INTERVALS, columns)


def expected_batch(bands: Rows, channels: Channels) -> pa.RecordBatch:
    """Bands (detection.watch.state.BAND) as a batch of schemas.results.EXPECTED."""
    n, zone = len(bands), channels.registry.zone
    columns: dict[str, Any] = version_labels(channels, _plain(bands["version"]), ("company", "meter", "register")) | {
        "zone": constant(zone.id, n),
        "start": times(_plain(bands["start"])),
        "length_s": pa.array((channels.versions["stretch"][_plain(bands["version"])] // 1000).astype(np.int32)),
        "low": pa.array(_plain(bands["low"])),
        "high": pa.array(_plain(bands["high"])),
        "revision": pa.array(_plain(bands["tick"])),
    }
    return table_batch(EXPECTED, columns)


def interval_block(rows: Rows, channels: Channels) -> pa.RecordBatch:
    """Interval rows as a batch of interval_block.INTERVAL_BLOCK."""
    of_channel = _plain(rows["version"]) - channels.first[_plain(rows["channel"])]
    columns = [*interval_batch(rows, channels).columns, pa.array(of_channel.astype(np.int32))]
    return pa.RecordBatch.from_arrays(columns, schema=INTERVAL_BLOCK)


def _ms(column: pa.Array) -> NDArray[np.int64]:
    return np.asarray(column.cast(pa.int64()))


def _ints(column: pa.Array) -> NDArray[np.int64]:
    return np.asarray(column.fill_null(0))


def channel_numbers(batch: pa.RecordBatch, channels: Channels) -> NDArray[np.int64]:
    """Channel of each interval row, by name; raises KeyError for a channel that this registry does not have."""
    meter, register = batch["meter"], batch["register"]
    registers = len(register.dictionary)
    pairs = np.asarray(meter.indices, np.int64) * registers + np.asarray(register.indices, np.int64)
    used, compact = np.unique(pairs, return_inverse=True)
    meters, names = meter.dictionary.to_pylist(), register.dictionary.to_pylist()
    numbers = [channels.index[meters[p // registers], names[p % registers]] for p in used.tolist()]
    return np.array(numbers, np.int64)[compact]


def interval_rows(batch: pa.RecordBatch, channels: Channels) -> Rows:
    """Interval rows out of a block (what the ledger needs of them; `bits` stay 0). Where it names no versions, a window's start says which.

    Raises KeyError, ValueError: this registry has no such register, or no such version of it.
    """
    rows = np.zeros(batch.num_rows, ROW).view(np.recarray)
    if not len(rows):
        return rows
    rows["channel"] = channel_numbers(batch, channels)
    rows["start"] = _ms(batch["start"])
    for field, name in (("val", "value_micro"), ("est", "estimated_micro"), ("cov", "covered_ms"), ("revision", "revision")):
        rows[field] = _ints(batch[name])
    for field, name in (("was_val", "was_value_micro"), ("was_est", "was_estimated_micro"), ("was_cov", "was_covered_ms")):
        rows[field] = _ints(batch[name])
    has_versions = VERSION in batch.schema.names
    rows["version"] = (
        _named_versions(batch, rows, channels) if has_versions else versions_of(rows["channel"], rows["start"], channels)
    )
    return rows


def _named_versions(batch: pa.RecordBatch, rows: Rows, channels: Channels) -> NDArray[np.int64]:
    of_channel = np.asarray(batch[VERSION], np.int64)
    if not ((of_channel >= 0) & (of_channel < channels.count[rows["channel"]])).all():
        raise ValueError("a row names a version that its register does not have")
    found: NDArray[np.int64] = channels.first[rows["channel"]] + of_channel
    return found


def versions_of(channel: NDArray[np.int64], start: NDArray[np.int64], channels: Channels) -> NDArray[np.int64]:
    """The version valid at the start of each row's window."""
    out: NDArray[np.int64] = channels.first[channel].copy()
    several = np.flatnonzero(channels.count[channel] > 1)
    table = channels.versions.view(np.recarray)
    for i in several:
        first = out[i]
        out[i] = first + version_at(table[first : first + channels.count[channel[i]]], start[i])
    return out


def alert_batch(alerts: list[dict[str, Any]], zone: str) -> pa.RecordBatch:
    """Alert transitions (dicts with the columns of ALERTS less `zone`) as a batch."""
    arrays = []
    for column in ALERTS.columns:
        cells = [zone if column.name == "zone" else alert[column.name] for alert in alerts]
        arrays.append(pa.array(cells, pa.string() if column.kind == "code" else column.arrow).cast(column.arrow))
    return pa.RecordBatch.from_arrays(arrays, schema=ALERTS.arrow_schema)


def dead_letter_batch(letters: list[DeadLetter], zone: str) -> pa.RecordBatch:
    """Dead letters as rows of table `dead_letters`; a null key or value becomes empty."""
    n = len(letters)
    columns = {
        "zone": constant(zone, n),
        "topic": pa.array([x.topic for x in letters], pa.string()).dictionary_encode(),
        "partition": pa.array([x.partition for x in letters], pa.int32()),
        "offset": pa.array([x.offset for x in letters], pa.int64()),
        "item": pa.array([x.item for x in letters], pa.int32()),
        "reason": pa.array([x.reason for x in letters], pa.string()).dictionary_encode(),
        "key": pa.array([x.key or b"" for x in letters], pa.binary()),
        "value": pa.array([x.value or b"" for x in letters], pa.binary()),
        "received_at": times(np.array([x.received_at_ms for x in letters], np.int64)),
    }
    return table_batch(DEAD_LETTERS, columns)
