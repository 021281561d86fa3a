"""JSON lines: every line is the value of one record, byte for byte.

Where the record stood in its log is said by keys of the object (`ingest_ms`, `partition`, `offset`, `item`), or by the same line of
a sidecar, `readings.jsonl.meta.jsonl` or `readings.meta.jsonl`. Only with a sidecar may a line be anything else than an object.
"""

import codecs
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from zonepulse.schemas.messages.reading_columns import judge_times
from zonepulse.streams.files.blocks import BLOCK_BYTES, BLOCK_ROWS, LATEST_MS, MOST, MOST_LINE_BYTES, BadFile, Block

SIDECAR: Final = ".meta.jsonl"
_UNIFORM: Final = ("ingest_ms", "partition", "offset")
"""Every line has it, or none has."""
_Whole = Annotated[int, msgspec.Meta(ge=0, le=MOST)] | None
_Time = Annotated[int, msgspec.Meta(ge=0, le=LATEST_MS)] | None


class _Place(msgspec.Struct):
    """What a line says about its record; all other keys are the reading's."""

    ingest_ms: _Time = None
    partition: _Whole = None
    offset: _Whole = None
    item: _Whole = None
    ts: Any = None


_PLACE: Final = msgspec.json.Decoder(_Place)
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])
MOST_ARRAY_BYTES: Final = 512 << 20
"""One array is held as a whole."""


def json_blocks(path: Path) -> Iterator[Block]:
    """The lines of a file in order, or the items of one JSON array. Raises BadFile with the line where a place is missing or wrong."""
    sidecar = next((s for s in sidecars(path) if s.exists()), None)
    told = _lines(sidecar) if sidecar else None
    places = _Places(path, sidecar)
    items = None if sidecar else _array_items(path)
    for values in _blocks_of_lines(path) if items is None else _cut(items):
        yield Block(path, "json", places.table(values, values if told is None else list(islice(told, len(values)))))
    if told and next(told, None) is not None:
        raise BadFile(f"{sidecar}: has more lines than {path.name}; write one for each of its lines")


class _Places:
    """Reads what the lines say about their records, and counts them."""

    def __init__(self, path: Path, sidecar: Path | None) -> None:
        self._path, self._sidecar = path, sidecar
        self._named = set(_UNIFORM) if sidecar else set[str]()
        self._line = 1

    def table(self, values: Sequence[bytes], told: Sequence[bytes]) -> pa.Table:
        """The block of these lines; `told` are the lines, or those of the sidecar."""
        if len(told) < len(values):
            raise BadFile(
                f"{self._sidecar}: ends before line {self._line + len(told)} of {self._path.name}; write one for each of its lines"
            )
        places = self._decoded(told)
        columns = {"value": pa.array(values, pa.large_binary()), "item": pa.array([p.item or 0 for p in places], pa.int64())}
        columns |= {name: column for name in _UNIFORM if (column := self._column(name, places)) is not None}
        if "ingest_ms" not in columns:
            columns["ts_ms"] = pa.array(judge_times([p.ts if type(p.ts) in (int, str) else None for p in places])[0])
        self._line += len(values)
        return pa.table(columns)

    def _decoded(self, told: Sequence[bytes]) -> list[_Place]:
        places: list[_Place] = []
        try:
            places.extend(map(_PLACE.decode, told))
        except (msgspec.DecodeError, RecursionError) as bad:
            raise self._refusal(self._line + len(places), str(bad)) from bad
        return places

    def _column(self, name: str, places: Sequence[_Place]) -> pa.Int64Array | None:
        """What every line says about `name`; None where none says anything."""
        column = pa.array([getattr(p, name) for p in places], pa.int64())
        if self._line == 1 and column[0].is_valid:
            self._named.add(name)
        is_named = name in self._named
        odd = pc.index(column.is_valid(), not is_named).as_py()
        if odd >= 0:
            raise self._refusal(self._line + odd, f"has no {name}" if is_named else f"has {name}, unlike line 1")
        return column if is_named else None

    def _refusal(self, line: int, what: str) -> BadFile:
        if self._sidecar:
            return BadFile(
                f"{self._sidecar}, line {line}: {what}; write an object with partition, offset and ingest_ms (whole numbers)"
            )
        remedy = (
            f"write partition, offset and ingest_ms (whole numbers) of every line to {sidecars(self._path)[0]}, one object a line"
        )
        return BadFile(f"{self._path}, line {line}: {what}; {remedy}")


def sidecars(path: Path) -> tuple[Path, Path]:
    """Where places of a file's lines may stand."""
    stem = path.with_suffix("") if path.suffix in (".gz", ".zst", ".bz2") else path
    return Path(f"{path}{SIDECAR}"), stem.with_suffix(SIDECAR)


def _blocks_of_lines(path: Path) -> Iterator[list[bytes]]:
    """The lines of about BLOCK_BYTES at a time, without their line feeds."""
    rest = b""
    with pa.input_stream(str(path), compression="detect") as stream:
        begin = stream.read(len(codecs.BOM_UTF8))
        rest = begin.removeprefix(codecs.BOM_UTF8)
        while piece := stream.read(BLOCK_BYTES):
            *lines, rest = (rest + piece).split(b"\n")
            if lines:
                yield lines
            if len(rest) > MOST_LINE_BYTES:
                raise BadFile(
                    f"{path}: a line of more than {MOST_LINE_BYTES >> 20} MB; write one reading, or an array of some, a line"
                )
    if rest:
        yield [rest]


def _array_items(path: Path) -> list[msgspec.Raw] | None:
    """The items of a file that is one JSON array, byte for byte; None where it is not. Raises BadFile for a very large one."""
    with pa.input_stream(str(path), compression="detect") as stream:
        begin = stream.read(1 << 10)
        if not begin.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
            return None
        text = begin + stream.read(MOST_ARRAY_BYTES)
    if len(text) > MOST_ARRAY_BYTES:
        raise BadFile(f"{path}: a JSON array of more than {MOST_ARRAY_BYTES >> 20} MB; write one object a line (JSON lines)")
    try:
        return _ARRAY.decode(text.removeprefix(codecs.BOM_UTF8))
    except (msgspec.DecodeError, RecursionError):
        return None  # lines that are arrays: the places say so


def _cut(items: Sequence[msgspec.Raw]) -> Iterator[list[bytes]]:
    for start in range(0, len(items), BLOCK_ROWS):
        yield [bytes(item) for item in items[start : start + BLOCK_ROWS]]


def _lines(path: Path) -> Iterator[bytes]:
    for block in _blocks_of_lines(path):
        yield from block
