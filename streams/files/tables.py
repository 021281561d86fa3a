"""Rows of a table file -> blocks of readings: the columns of a reading with times in epoch ms and values as float64."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from zonepulse.schemas.messages.reading_columns import OPTIONAL, POSITION, REQUIRED
from zonepulse.schemas.problems import nearest
from zonepulse.schemas.values import BadValue, shortened
from zonepulse.streams.files.blocks import BLOCK_ROWS, LATEST_MS, MOST, BadFile, Block
from zonepulse.streams.files.cells import Times, number
from zonepulse.streams.files.form import KEYS, FileForm
from zonepulse.streams.files.sheets import Row, rows_of

MOST_COLUMNS: Final = 20_000
_TEXTS: Final = ("meter", "register", "unit", "quality")
_TYPES: Final = {
    "meter": pa.string(), "register": pa.string(), "ts": pa.timestamp("ms", "UTC"), "value": pa.float64(), "unit": pa.string(),
    "seq": pa.int64(), "quality": pa.string(), **dict.fromkeys(POSITION, pa.int64()),
}  # fmt: skip


def table_blocks(path: Path, form: FileForm) -> Iterator[Block]:
    """The readings of a file in its order. Raises BadFile with row, column, value and remedy."""
    with closing(rows_of(path, form)) as rows:
        header = header_of(path, rows)
        table = (_Wide if form.is_wide else _Long)(path, header, form)
        while chunk := list(islice(rows, BLOCK_ROWS)):
            _refuse_more_cells(path, chunk, len(header))
            yield Block(path, "typed", table.block(chunk))


def header_of(path: Path, rows: Iterator[Row]) -> list[str]:
    """The first row, which names the columns. Raises BadFile."""
    first = next(rows, None)
    if first is None:
        raise BadFile(f"{path}: is empty; its first row names the columns")
    if len(first[1]) > MOST_COLUMNS:
        raise BadFile(f"{path}: {len(first[1])} columns, at most {MOST_COLUMNS} are read; write a row a reading, or several files")
    return [str(cell or "").strip() for cell in first[1]]


def _refuse_more_cells(path: Path, rows: Sequence[Row], columns: int) -> None:
    """A cell behind the last column is a part of another: a decimal comma, or a text with a delimiter in it. Raises BadFile."""
    for place, cells in rows:
        if any(cell not in (None, "") for cell in cells[columns:]):
            remedy = "put a text that has the delimiter in it into double quotes, or say which one it is with --delimiter"
            raise BadFile(f"{path}, row {place}: {len(cells)} cells, and the header has {columns}; {remedy}")


class _Table:
    """What wide and long tables share: their columns by key, and messages that say where."""

    def __init__(self, path: Path, header: Sequence[str], form: FileForm, needed: Iterable[str]) -> None:
        self._path, self._form, self._header = path, form, header
        self._times = Times(form)
        self.places = {key: self._place(form.columns[key]) for key in form.columns}
        twice = [name for name, times in Counter(header).items() if name and times > 1]
        used = set(form.columns.values()) | {name for name in twice if form.is_wide or name.lower() in KEYS}
        if found := next((name for name in twice if name in used), ""):
            raise BadFile(f"{path}: two columns are called {found!r}; give them different names")
        named = {name.lower(): i for i, name in enumerate(header)}
        for key in KEYS:
            if key not in self.places and key not in form.constants and key in named:
                self.places[key] = named[key]
        for key in needed:
            if key not in self.places and key not in form.constants:
                constant = f", or give all rows one with --{key}" if key in ("meter", "register", "unit") else ""
                look = f"; `zonepulse convert {path} --look` suggests it"
                remedy = nearest(key, [name for name in header if name], f"say which with --columns {key}=NAME{constant}{look}")
                raise BadFile(f"{path}: no column {key} among {shortened(', '.join(header))}; {remedy}")

    def _place(self, name: str) -> int:
        if name not in self._header:
            remedy = nearest(name, [n for n in self._header if n], "name one of them")
            raise BadFile(f"{self._path}: no column {name!r} among {shortened(', '.join(self._header))}; {remedy}")
        return self._header.index(name)

    def _read(self, row: Row, key: str, read: Callable[[Any], Any], place: int | None = None) -> Any:
        """A cell as `read` sees it, None where it is empty. Raises BadFile."""
        place = self.places[key] if place is None else place
        cell = row[1][place] if place < len(row[1]) else None
        if cell is None or cell == "":
            return None
        try:
            return read(cell)
        except BadValue as bad:
            name = self._header[place] or place + 1
            raise BadFile(f"{self._path}, row {row[0]}, column {name}: {bad}") from bad

    def _ms(self, row: Row, series: object) -> int:
        ms = self._read(row, "ts", lambda cell: self._times.ms(cell, series))
        if ms is None:
            name = self._header[self.places["ts"]]
            raise BadFile(f"{self._path}, row {row[0]}, column {name}: no time; remove the row, or fill it in")
        return int(ms)


class _Long(_Table):
    """A row a reading."""

    def __init__(self, path: Path, header: Sequence[str], form: FileForm) -> None:
        super().__init__(path, header, form, REQUIRED)

    def block(self, rows: Sequence[Row]) -> pa.Table:
        """The rows as columns of a reading; an empty value stays null."""
        keys = [key for key in (*REQUIRED, *OPTIONAL, *POSITION) if key in self.places or key in self._form.constants]
        made: dict[str, list[Any]] = {key: [] for key in keys}
        for row in rows:
            for key in keys:
                made[key].append(self._value(row, key, made))
        return pa.table({key: pa.array(values, _TYPES[key]) for key, values in made.items()})

    def _value(self, row: Row, key: str, made: dict[str, list[Any]]) -> Any:
        if key in self._form.constants and key not in self.places:
            return self._form.constants[key]
        if key == "ts":
            return self._ms(row, (made["meter"][-1], made["register"][-1]))
        if key == "value":
            return self._read(row, key, lambda cell: number(cell, self._form.decimal))
        return self._read(
            row, key, _name if key in _TEXTS else lambda cell: _whole(cell, LATEST_MS if key == "ingest_ms" else MOST)
        )


class _Wide(_Table):
    """A column a meter: its name is the meter's, or `meter register`."""

    def __init__(self, path: Path, header: Sequence[str], form: FileForm) -> None:
        super().__init__(path, header, form, ("ts",))
        others = [i for i, name in enumerate(header) if name and i not in self.places.values()]
        self._series = [(i, *_series(header[i], form)) for i in others]
        nameless = [meter for _, meter, register in self._series if not register]
        if nameless:
            raise BadFile(f"{path}, column {nameless[0]}: which register? give all columns one with --register 1.8.0")

    def block(self, rows: Sequence[Row]) -> pa.Table:
        """A reading for every cell that is filled."""
        made: dict[str, list[Any]] = {key: [] for key in ("meter", "register", "ts", "value")}
        for row in rows:
            for place, meter, register in self._series:
                value = self._read(row, "value", lambda cell: number(cell, self._form.decimal), place)
                if value is not None:
                    for key, cell in zip(made, (meter, register, self._ms(row, place), value), strict=True):
                        made[key].append(cell)
        if "unit" in self._form.constants:
            made["unit"] = [self._form.constants["unit"]] * len(made["ts"])
        return pa.table({key: pa.array(values, _TYPES[key]) for key, values in made.items()})


def _series(name: str, form: FileForm) -> tuple[str, str]:
    """Meter and register of a wide table's column."""
    if "register" in form.constants:
        return name, form.constants["register"]
    meter, _, register = name.rpartition(" ")
    return (meter, register) if meter else (name, "")


def _name(cell: Any) -> str:
    """A name that a workbook holds as a number is written without a point."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _whole(cell: Any, most: int) -> int:
    text = _name(cell)
    if not text.isdecimal() or len(text) > 18 or int(text) > most:
        raise BadValue(f"{cell!r} is no whole number from 0 to {most}", "write one, or leave the column out")
    return int(text)
