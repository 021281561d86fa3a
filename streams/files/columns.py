"""Readings in Parquet and CSV files: the columns of a reading, and optional `ingest_ms`, `partition`, `offset`, `item`."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from zonepulse.schemas.messages.reading_columns import OPTIONAL, POSITION, REQUIRED
from zonepulse.schemas.values import shortened
from zonepulse.streams.files.blocks import BLOCK_BYTES, BLOCK_ROWS, LATEST_MS, MOST, BadFile, Block
from zonepulse.streams.files.sheets import bounded_lines

_KNOWN: Final = REQUIRED + OPTIONAL + POSITION
_NAMES: Final = ("meter", "register", "unit", "quality")
_LONGEST_NAME: Final = 10_000
_WHOLE: Final = r"^\d{1,18}$"


def parquet_blocks(path: Path) -> Iterator[Block]:
    """The rows in file order. Raises BadFile where a column is missing or a place is wrong."""
    columns = _columns(path, pq.read_schema(path).names)
    with pq.ParquetFile(path, read_dictionary=[name for name in columns if name in _NAMES]) as file:
        first = 1
        for batch in file.iter_batches(BLOCK_ROWS, columns=columns):
            rows = _placed(path, pa.Table.from_batches([batch]), first)
            _refuse_long_names(path, rows, first)
            yield Block(path, "typed", rows)
            first += batch.num_rows


def csv_blocks(path: Path) -> Iterator[Block]:
    """The rows in file order; the first line names the columns, an empty cell is null. Raises BadFile as above."""
    columns = _columns(path, _header(path))
    convert = pacsv.ConvertOptions(
        include_columns=columns, column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=True, null_values=[""]
    )
    with pa.input_stream(str(path), compression="detect") as stream:
        read = pacsv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False)  # with threads an error does not know its row
        first = 2  # as a spreadsheet counts: the header is row 1
        for batch in _batches(path, stream, read, convert):
            rows = _placed(path, pa.Table.from_batches([batch]), first)
            _refuse_commas(path, rows["value"], first)
            yield Block(path, "text", rows)
            first += batch.num_rows


def _batches(path: Path, stream: Any, read: pacsv.ReadOptions, convert: pacsv.ConvertOptions) -> Iterator[pa.RecordBatch]:
    try:
        yield from pacsv.open_csv(stream, read, pacsv.ParseOptions(newlines_in_values=True), convert)
    except pa.ArrowInvalid as bad:
        cells = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+): (.*)", str(bad), re.DOTALL)
        if cells:
            remedy = "put a text that has the delimiter in it into double quotes, or say which one it is with --delimiter"
            what = f"{cells[3]} cells, and the header has {cells[2]}: {shortened(cells[4])!r}"
            raise BadFile(f"{path}, row {cells[1]}: {what}; {remedy}") from bad
        if "UTF8" in str(bad):
            raise BadFile(
                f"{path}: no utf-8 text; say which encoding it has, such as --encoding cp1252, utf-16 or gb18030"
            ) from bad
        raise


def _refuse_long_names(path: Path, rows: pa.Table, first: int) -> None:
    """A text stands once in the file however many rows have it, and once a row in what is made of them. Raises BadFile."""
    for name in (name for name in _NAMES if name in rows.column_names):
        for chunk in rows[name].chunks:
            texts = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
            if pa.types.is_null(texts.type) or not (longest := pc.max(pc.binary_length(texts)).as_py()):
                continue
            if longest > _LONGEST_NAME:
                place = f"{path}, in rows {first} to {first + rows.num_rows - 1}, column {name}"
                raise BadFile(
                    f"{place}: a text of {longest} bytes, at most {_LONGEST_NAME} are read; is it the column of another thing?"
                )


def _refuse_commas(path: Path, values: pa.ChunkedArray, first: int) -> None:
    """A decimal comma is another way to write the number, and no broken reading. Raises BadFile."""
    row = pc.index(pc.match_substring_regex(values, r"^[+-]?\d*,\d+$"), True).as_py()
    if row >= 0:
        raise BadFile(f"{path}, row {first + row}, column value: {values[row].as_py()!r} has a decimal comma; pass --decimal ,")


def _header(path: Path) -> list[str]:
    with pa.input_stream(str(path), compression="detect") as stream:
        try:
            return next(csv.reader(bounded_lines(io.TextIOWrapper(stream, "utf-8-sig", newline=""))), [])
        except csv.Error as bad:
            raise BadFile(f"{path}, row 1: {bad}; is it a table with delimiter ','? (--delimiter)") from bad


def _columns(path: Path, found: Iterable[str]) -> list[str]:
    """The columns to read, in the order of _KNOWN."""
    names = list(found)
    if twice := [name for name in _KNOWN if names.count(name) > 1]:
        raise BadFile(f"{path}: two columns are called {twice[0]!r}; give them different names")
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise BadFile(
            f"{path}: no column {', '.join(missing)} among {shortened(', '.join(names)) or 'none'}; name the columns as a reading's"
            f" keys, or say which is which: `zonepulse convert {path} --look` suggests the options"
        )
    return [name for name in _KNOWN if name in names]


def _placed(path: Path, rows: pa.Table, first: int) -> pa.Table:
    """The rows with the columns of POSITION as int64."""
    for name in POSITION:
        if name in rows.column_names:
            place = rows.column_names.index(name)
            rows = rows.set_column(place, name, _whole_numbers(path, name, rows[name], first))
    return rows


def _whole_numbers(path: Path, name: str, column: pa.ChunkedArray, first: int) -> pa.ChunkedArray:
    """The column as int64; an empty `item` is 0. Raises BadFile with the first row that holds no whole number."""
    if name == "item":
        column = column.fill_null("0" if pa.types.is_string(column.type) else 0)
    if pa.types.is_string(column.type):
        good = pc.match_substring_regex(column, _WHOLE).fill_null(False)
    elif pa.types.is_integer(column.type):
        good = pc.and_(column.is_valid(), pc.and_(pc.greater_equal(column, 0), pc.less(column, 10**18))).fill_null(False)
    else:
        raise BadFile(f"{path}, column {name}: type {column.type}; write whole numbers (int64)")
    most = LATEST_MS if name == "ingest_ms" else MOST
    numbers = pc.if_else(good, column, pa.scalar("0" if pa.types.is_string(column.type) else 0, column.type)).cast(pa.int64())
    bad = pc.index(pc.and_(good, pc.less_equal(numbers, most)), False).as_py()
    if bad >= 0:
        raise BadFile(
            f"{path}, row {first + bad}, column {name}: {column[bad].as_py()!r}; write a whole number, 0 to {most}, in every row"
        )
    return numbers
