"""The rows of a table file, whatever program wrote it: CSV in any usual encoding and with any usual delimiter, or an Excel workbook.

A row is (number, cells); the first is the header. Numbers count lines as a spreadsheet shows them, from 1.
"""

import csv
import io
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from zonepulse.streams.files.blocks import MOST_LINE_BYTES, BadFile
from zonepulse.streams.files.form import FileForm

Row = tuple[int, list[Any]]
COMPRESSIONS: Final = (".gz", ".zst", ".bz2")
TEXT_FILES: Final = (".csv", ".tsv", ".txt")
WORKBOOKS: Final = (".xlsx", ".xlsm")
DELIMITERS: Final = (",", ";", "\t", "|")
_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_SEEN_BYTES: Final = 1 << 16
_LARGEST_CELL: Final = 1 << 20
_LARGEST_WORKBOOK: Final = 1 << 30
_SHEETS: Final = "xl/worksheets/"
"""Parts that are read row by row; the others are held as a whole."""
_LARGEST_PART: Final = 64 << 20


def kind_of(path: Path) -> str:
    """The ending that says what the file is, without one of a compression; lower case."""
    return (path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path).suffix.lower()


def rows_of(path: Path, form: FileForm) -> Generator[Row, None, None]:
    """Every row that has a cell. Raises BadFile."""
    try:
        yield from _workbook_rows(path, form) if kind_of(path) in WORKBOOKS else _text_rows(path, form)
    except (OSError, EOFError, pa.ArrowException) as bad:
        raise BadFile(f"{path}: {bad}; is it a whole {kind_of(path)} file?") from bad


def encoding_of(path: Path, form: FileForm) -> str:
    """As the form says, else as the file's first bytes do, else UTF-8."""
    if form.encoding:
        return form.encoding
    with pa.input_stream(str(path), compression="detect") as stream:
        begin = stream.read(4)
    return next((encoding for mark, encoding in _MARKS if begin.startswith(mark)), "utf-8")


def delimiter_of(path: Path, form: FileForm) -> str:
    """As the form says, else the one that stands in every one of the first lines equally often, and most often."""
    if form.delimiter:
        return form.delimiter
    encoding = encoding_of(path, form)
    try:
        with _text(path, encoding) as text:
            lines = [line for _ in range(20) if (line := text.readline(_SEEN_BYTES)).strip()]
    except UnicodeError as bad:
        raise BadFile(_no_text(path, 0, encoding, bad)) from bad
    lines = lines[:-1] or lines
    counts = {d: [len(next(csv.reader([line], delimiter=d), [])) for line in lines] for d in DELIMITERS}
    steady = {d: n[0] for d, n in counts.items() if n and min(n) == max(n) > 1}
    header = {d: n[0] for d, n in counts.items() if n}
    return max(steady or header, key=(steady or header).__getitem__, default=",")


def _text(path: Path, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(pa.input_stream(str(path), compression="detect", buffer_size=_SEEN_BYTES), encoding, newline="")


def _text_rows(path: Path, form: FileForm) -> Iterator[Row]:
    encoding, delimiter = encoding_of(path, form), delimiter_of(path, form)
    csv.field_size_limit(_LARGEST_CELL)
    number = 0
    try:
        with _text(path, encoding) as text:
            reader = csv.reader(bounded_lines(text), delimiter=delimiter, skipinitialspace=True)
            for cells in reader:
                number = reader.line_num
                if any(cell.strip() for cell in cells):
                    yield number, [cell.strip() for cell in cells]
    except UnicodeError as bad:
        raise BadFile(_no_text(path, number, encoding, bad)) from bad
    except csv.Error as bad:
        raise BadFile(f"{path}, row {number + 1}: {bad}; is it a table with delimiter {delimiter!r}? (--delimiter)") from bad


def bounded_lines(text: io.TextIOBase) -> Iterator[str]:
    """The lines of a text, none longer than may be held. Raises csv.Error."""
    while line := text.readline(MOST_LINE_BYTES + 1):
        if len(line) > MOST_LINE_BYTES:
            raise csv.Error(f"a line of more than {MOST_LINE_BYTES >> 20} MB")
        yield line


def _no_text(path: Path, row: int, encoding: str, bad: UnicodeError) -> str:
    why = getattr(bad, "reason", bad)
    where = f"{path}, behind row {row}" if row else str(path)
    return f"{where}: no {encoding} text ({why}); say which encoding it has, such as --encoding cp1252, utf-16 or gb18030"


def _workbook_rows(path: Path, form: FileForm) -> Iterator[Row]:
    import zlib
    from zipfile import BadZipFile, ZipFile

    import openpyxl

    broken = (BadZipFile, KeyError, ValueError, TypeError, IndexError, SyntaxError, zlib.error, NotImplementedError)
    try:
        with ZipFile(path) as parts:
            sizes = {part.filename: part.file_size for part in parts.infolist()}
        if (size := sum(sizes.values())) > _LARGEST_WORKBOOK:
            raise BadFile(f"{path}: unpacks to {size >> 20} MB, more than {_LARGEST_WORKBOOK >> 20}; save it as CSV")
        if (size := max(sizes[name] for name in sizes if not name.startswith(_SHEETS))) > _LARGEST_PART:
            raise BadFile(f"{path}: its texts or styles unpack to {size >> 20} MB, more than {_LARGEST_PART >> 20}; save it as CSV")
        with warnings.catch_warnings(action="ignore"):  # of styles and the like, which no reading has
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            yield from _sheet_rows(path, book, form)
    except BadFile:
        raise
    except broken as bad:
        raise BadFile(f"{path}: {bad}; save it as an Excel workbook (.xlsx)") from bad


def _sheet_rows(path: Path, book: Any, form: FileForm) -> Iterator[Row]:
    try:
        if form.sheet and form.sheet not in book.sheetnames:
            raise BadFile(f"{path}: no sheet {form.sheet!r}; there are {', '.join(book.sheetnames)} (--sheet)")
        sheet = book[form.sheet] if form.sheet else book.worksheets[0]
        sheet.reset_dimensions()  # what the sheet says of itself: rows before its last would all get as many cells
        for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
            if any(cell not in (None, "") for cell in cells):
                yield number, [cell.strip() if isinstance(cell, str) else cell for cell in cells]
    finally:
        book.close()
