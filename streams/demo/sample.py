"""A sample stream: Kafka records of a zone's readings in order of arrival, with known faults, made from measured series.

`make_sample` is the whole story: counters (`sample_series`), faults (`sample_faults`), records (here). Every choice comes from
the seed.
"""

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zonepulse.schemas.messages.readings import ARROW_SCHEMA
from zonepulse.schemas.messages.readings import QUALITIES as QUALITY_CODES
from zonepulse.schemas.messages.records import ARROW, CONTENT_TYPE, Headers
from zonepulse.schemas.registry.model import MeterChange
from zonepulse.streams.demo.sample_faults import FAULTS, REASONS, UNREADABLE, code_of, with_delays, with_faults, with_gaps
from zonepulse.streams.demo.sample_series import ABSENT, FORMS, Labels, Rows, Series, Stretch, clean_rows, plan_of

QUALITIES: Final = tuple(QUALITY_CODES)
COLUMNS: Final = ARROW_SCHEMA.append(pa.field("ingest_ms", pa.int64()))
"""Schema of `Sample.readings`."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Records in order of arrival.

    `key[i]`, `value[i]`, `arrival_ms[i]` (int64, never decreasing), `headers[i]` of Arrow blocks.
    `readings` holds the well-formed readings of the records in the same order (`COLUMNS`); `faults` counts what was done to them,
    zeros left out; `changes` are the meter exchanges that belong into the registry.
    """

    key: list[bytes]
    value: list[bytes]
    arrival_ms: NDArray[np.int64]
    headers: dict[int, Headers]
    readings: pa.Table
    faults: dict[str, int]
    changes: tuple[MeterChange, ...]

    def __len__(self) -> int:
        return len(self.value)

    @property
    def dead_letters(self) -> dict[str, int]:
        """How many dead letters these records earn, by reason."""
        counts: dict[str, int] = {}
        for fault, count in self.faults.items():
            if fault in REASONS:
                counts[REASONS[fault]] = counts.get(REASONS[fault], 0) + count
        return counts


def make_sample(
    series: Sequence[Series],
    until_ms: int,
    days: int,
    seed: int,
    *,
    utc_offset_ms: int = 0,
    faults: bool = True,
    arrived: tuple[int, int] | None = None,
) -> Sample:
    """The records that arrive by `until_ms` of the `days` before it, the series laid on a local time `utc_offset_ms` ahead of UTC.

    `arrived` (after, by; epoch milliseconds) leaves only those that arrive in between: the pieces of one stretch continue one another.

    Without `faults` nothing is lost, late, doubled or damaged, no counter rolls over and no meter is exchanged.
    Raises ValueError when `days` is beyond what the series fill.
    """
    stretch, rng = Stretch(until_ms, days, utc_offset_ms), np.random.default_rng(seed)
    plan, labels = plan_of(series, stretch, rng, faults), Labels.of(series)
    rows, changes = clean_rows(series, stretch, plan)
    rows = with_delays(rows, rng)
    gaps = 0
    if faults:
        rows, gaps = with_gaps(rows, series, stretch, plan, rng)
        rows = with_faults(rows, series, labels, plan, rng)
    after_ms, by_ms = arrived or (-1, until_ms)
    rows = _in_order(rows[(rows["arrival"] <= min(by_ms, until_ms)) & (rows["arrival"] > after_ms)])
    key, value, first, headers = _records(rows, labels)
    counts = _counts(rows) | {"gap": gaps, "rollover": len(plan.rolling)}
    counts |= {"swap_recorded": sum(s.recorded for s in plan.swaps), "swap_unrecorded": sum(not s.recorded for s in plan.swaps)}
    readable = rows[~np.isin(rows["fault"], [code_of(f) for f in UNREADABLE])]
    told = {fault: n for fault, n in counts.items() if n}
    return Sample(key, value, rows["arrival"][first], headers, _table(readable, labels), told, changes)


def known_changes(
    series: Sequence[Series], until_ms: int, days: int, seed: int, *, utc_offset_ms: int = 0
) -> tuple[MeterChange, ...]:
    """The meter exchanges that `make_sample` with the same arguments makes and that the registry has to know beforehand."""
    stretch = Stretch(until_ms, days, utc_offset_ms)
    return clean_rows(series, stretch, plan_of(series, stretch, np.random.default_rng(seed), True))[1]


def _in_order(rows: Rows) -> Rows:
    """By arrival; of one instant, each gateway's readings together, in the order of series and time."""
    return rows[np.lexsort((rows["form"], rows["key"], rows["arrival"]))]


def _counts(rows: Rows) -> dict[str, int]:
    found = np.bincount(rows["fault"], minlength=len(FAULTS)).tolist()
    return dict(zip(FAULTS[1:], found[1:], strict=True))


def _records(rows: Rows, labels: Labels) -> tuple[list[bytes], list[bytes], NDArray[np.int64], dict[int, Headers]]:
    """Key and value of every record, the position of its first row, and the headers of Arrow blocks."""
    alone = rows["form"] == FORMS.index("single")
    frame = rows[["arrival", "key", "form"]]
    first = np.flatnonzero(np.append(True, (frame[1:] != frame[:-1]) | alone[1:])) if len(rows) else np.zeros(0, np.int64)
    keys = [k.encode() for k in labels.keys]
    key = [keys[k] for k in rows["key"][first].tolist()]
    items, block = _json_items(rows, labels), _block_of(rows, labels)
    forms = [FORMS[f] for f in rows["form"][first].tolist()]
    spans = zip(forms, itertools.pairwise([*first.tolist(), len(rows)]), strict=True)
    value = [
        block(a, b) if form == "arrow" else (items[a] if form == "single" else "[" + ", ".join(items[a:b]) + "]").encode()
        for form, (a, b) in spans
    ]
    headers: dict[int, Headers] = {i: ((CONTENT_TYPE, ARROW),) for i, form in enumerate(forms) if form == "arrow"}
    return key, value, first, headers


def _json_items(rows: Rows, labels: Labels) -> list[str]:
    """Every row as the JSON object that its gateway sends, the damaged ones as damaged; those of Arrow blocks are not used."""
    heads = [[f'{{"meter": {json.dumps(m)}, "register": {json.dumps(r)}, "ts": ' for r in labels.registers] for m in labels.meters]
    tails = _tails(rows, labels)
    columns = (rows[c].tolist() for c in ("meter", "register", "ts", "value", "fault"))
    damaged = {code_of(f): f for f in UNREADABLE}
    return [
        f'{heads[m][r]}{t}, "value": {v!r}{tail}}}' if f not in damaged else _damaged(heads[m][r], t, v, tail, damaged[f])
        for m, r, t, v, f, tail in zip(*columns, tails, strict=True)
    ]


def _tails(rows: Rows, labels: Labels) -> list[str]:
    """Unit, seq and quality of every row as they follow its value; most send none."""
    units = ["" if u == ABSENT else f', "unit": {json.dumps(labels.units[u])}' for u in rows["unit"].tolist()]
    seqs = ["" if s == ABSENT else f', "seq": {s}' for s in rows["seq"].tolist()]
    qualities = ["" if q == 0 else f', "quality": "{QUALITIES[q]}"' for q in rows["quality"].tolist()]
    return [u + s + q for u, s, q in zip(units, seqs, qualities, strict=True)]


def _damaged(head: str, ts: int, value: float, tail: str, fault: str) -> str:
    if fault == "broken_json":
        return f'{head}{ts}, "val'
    if fault == "nan_value":
        return f'{head}{ts}, "value": NaN{tail}}}'
    if fault == "text_value":
        return f'{head}{ts}, "value": "{value!r}"{tail}}}'
    naive = str(np.datetime64(ts, "ms")).removesuffix(".000")
    return f'{head}"{naive}", "value": {value!r}{tail}}}'


def _table(rows: Rows, labels: Labels) -> pa.Table:
    """Rows as `COLUMNS`; what was not sent is null."""

    def coded(codes: NDArray[Any], absent: int, texts: Sequence[str]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=codes == absent), pa.array(texts, pa.string()))

    columns = {
        "meter": coded(rows["meter"], ABSENT, labels.meters),
        "register": coded(rows["register"], ABSENT, labels.registers),
        "ts": pa.array(rows["ts"]).cast(pa.timestamp("ms", tz="UTC")),
        "value": pa.array(rows["value"]),
        "unit": coded(rows["unit"], ABSENT, labels.units),
        "seq": pa.array(rows["seq"], mask=rows["seq"] == ABSENT),
        "quality": coded(rows["quality"], 0, QUALITIES),
        "ingest_ms": pa.array(rows["arrival"]),
    }
    return pa.table(columns, schema=COLUMNS)


def _block_of(rows: Rows, labels: Labels) -> Callable[[int, int], bytes]:
    """A function that writes rows [a, b) as an Arrow IPC stream."""
    table = _table(rows, labels).select(ARROW_SCHEMA.names).combine_chunks()

    def block(a: int, b: int) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, ARROW_SCHEMA) as writer:
            writer.write_table(table.slice(a, b - a))
        return bytes(sink.getvalue())

    return block
