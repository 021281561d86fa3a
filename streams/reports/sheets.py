"""A report's tables for other programs: an Excel workbook, CSV files, and one JSON document. Numbers are exact, or the nearest float64."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any, Final

from zonepulse.streams.reports.report import Column, Table
from zonepulse.streams.reports.words import ReportWords

_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
_LONGEST_TITLE: Final = 31
"""Of a sheet, by Excel."""
_DIGITS: Final = 30
_FORMATS: Final = {"share": "0.0%", "moment": "yyyy-mm-dd hh:mm"}


def workbook(tables: Sequence[Table], say: ReportWords, facts: Sequence[tuple[str, str]]) -> bytes:
    """A sheet a table, the first with what the report is about."""
    import openpyxl
    from openpyxl.styles import Alignment, Font

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet(say("summary"))
    for row in facts:
        sheet.append([_safe(cell) for cell in row])
    sheet.append([])
    for number, table in enumerate(tables):
        if number:
            sheet = book.create_sheet(_title(table, say, book.sheetnames))
        for letter, column in zip("ABCDEFGHIJKL", table.columns, strict=False):
            sheet.column_dimensions[letter].width = 16 if column.kind != "text" else 26
        sheet.append(
            [_styled(sheet, say(column.key), font=Font(bold=True), alignment=Alignment(wrap_text=True)) for column in table.columns]
        )
        for cells in table.rows:
            sheet.append([_cell(sheet, cell, column) for cell, column in zip(cells, table.columns, strict=True)])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _title(table: Table, say: ReportWords, taken: Sequence[str]) -> str:
    title = "".join(c for c in (table.title or say(table.id)) if c not in r"[]:*?/\ ".strip())[:_LONGEST_TITLE]
    return title if title not in taken else f"{title[: _LONGEST_TITLE - 3]} {len(taken)}"


def _cell(sheet: Any, cell: Any, column: Column) -> Any:
    if cell is None:
        return None
    if column.kind == "text":
        return _safe(str(cell))
    if column.kind == "moment":
        moment = datetime.fromtimestamp(int(cell) / 1000, UTC).replace(tzinfo=None)  # a workbook's times have no zone: UTC
        return _styled(sheet, moment, number_format=_FORMATS["moment"])
    places = "0" if not column.decimals else "0." + "0" * column.decimals
    return _styled(sheet, float(cell), number_format=_FORMATS.get(column.kind, f"#,##{places}"))


def _styled(sheet: Any, value: Any, **style: Any) -> Any:
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, value=value)
    for name, one in style.items():
        setattr(cell, name, one)
    return cell


def csv_text(table: Table) -> str:
    """The table with its keys as heads: the same in every language, but for texts. UTF-8 with a mark, so that Excel sees it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(column.key for column in table.columns)
    for row in table.rows:
        writer.writerow(plain(cell, column) for cell, column in zip(row, table.columns, strict=True))
    return "\ufeff" + out.getvalue()


def plain(cell: Any, column: Column) -> str:
    """A cell as text for machines; '' where it is not known."""
    if cell is None:
        return ""
    if column.kind == "text":
        return _safe(str(cell))
    if column.kind == "moment":
        return datetime.fromtimestamp(int(cell) / 1000, UTC).isoformat().replace("+00:00", "Z")
    return decimal_text(cell)


def decimal_text(value: Fraction | float | int) -> str:
    """All digits of a decimal, 30 of a fraction that has no end, a float64's shortest form."""
    if isinstance(value, float):
        return repr(value)
    exact = Fraction(value)
    with localcontext(prec=_DIGITS):
        return f"{(Decimal(exact.numerator) / exact.denominator).normalize():f}"


def _safe(text: str) -> str:
    """No text becomes a formula of the spreadsheet that opens it."""
    return "'" + text if text.startswith(_STARTS) and len(text) > 1 else text


def document(tables: Sequence[Table]) -> dict[str, list[dict[str, Any]]]:
    """Every table as rows by key; numbers are text, so that no digit is lost."""
    return {
        table.id: [{column.key: _json(cell, column) for cell, column in zip(row, table.columns, strict=True)} for row in table.rows]
        for table in tables
    }


def _json(cell: Any, column: Column) -> Any:
    if cell is None or column.kind == "text":
        return cell
    return plain(cell, column)
