"""A table of quantities that no meter measures -> inputs: whatever program wrote the file, every mistake with line, column and remedy."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, replace
from datetime import date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from zonepulse.schemas.checks.inputs import check_input, current_of, key_of
from zonepulse.schemas.problems import Report, nearest
from zonepulse.schemas.registry.inputs import Input
from zonepulse.schemas.values import CONTROLS, MAX_ID_BYTES, BadValue, is_usual_id, parse_decimal, rounded, shortened
from zonepulse.streams.files.blocks import BadFile
from zonepulse.streams.files.cells import number_text
from zonepulse.streams.files.form import FileForm
from zonepulse.streams.files.sheets import Row, rows_of
from zonepulse.streams.files.tables import header_of

NEEDED: Final = ("quantity", "period", "value")
COLUMNS: Final = (*NEEDED, "company", "by", "given", "evidence", "reason", "id")
MOST_ROWS: Final = 20_000
MOST_TEXT: Final = 2_000
_FORMULAS: Final = ("=", "+", "-", "@")
"""A text that begins so would run in the spreadsheet that a report is opened with."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What rows have that do not say it themselves; '' = each row must."""

    company: str = ""
    by: str = ""
    given: str = ""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class GivenTable:
    """The rows of a file: inputs that are new, and how many were given before just so."""

    new: tuple[Input, ...]
    unchanged: int


def read_given(path: Path, form: FileForm, defaults: Defaults, companies: Iterable[str], earlier: Sequence[Input]) -> GivenTable:
    """The inputs of a file, each new, or a correction of what counts among `earlier`. Raises BadFile, RegistryError with every mistake."""
    with closing(rows_of(path, form)) as rows:
        header = [name.lower() for name in header_of(path, rows)]
        places = _places(path, header)
        table = _Table(path, form, defaults, frozenset(companies), earlier, places)
        for number, row in enumerate(rows, start=1):
            if number > MOST_ROWS:
                raise BadFile(f"{path}: more than {MOST_ROWS} rows; write several files")
            if any(cell not in (None, "") for cell in row[1][len(header) :]):
                raise BadFile(
                    f"{path}, row {row[0]}: {len(row[1])} cells, and the header has {len(header)};"
                    " put a text that has the delimiter in it into double quotes, or say which one it is with --delimiter"
                )
            table.add(row)
    table.report.problems = [replace(one, path=one.path.partition(".")[2]) for one in table.report.problems]
    table.report.raise_if_any()
    if not table.new and not table.unchanged:
        raise BadFile(f"{path}: holds no row; write one a quantity, with the columns {', '.join(COLUMNS)}")
    return GivenTable(tuple(table.new), table.unchanged)


def _places(path: Path, header: Sequence[str]) -> dict[str, int]:
    """Column -> its place. Raises BadFile."""
    for name in header:
        if name and name not in COLUMNS:
            remedy = nearest(name, COLUMNS, f"columns are {', '.join(COLUMNS)}")
            raise BadFile(f"{path}: unknown column {shortened(name)!r}; {remedy}")
        if name and header.count(name) > 1:
            raise BadFile(f"{path}: two columns are called {name!r}; leave one out")
    missing = [name for name in NEEDED if name not in header]
    if missing:
        raise BadFile(f"{path}: no column {', '.join(missing)}; the first row names the columns: {', '.join(COLUMNS)}")
    return {name: place for place, name in enumerate(header) if name}


class _Table:
    """Rows on their way to inputs."""

    def __init__(
        self, path: Path, form: FileForm, defaults: Defaults, companies: frozenset[str], earlier: Sequence[Input],
        places: Mapping[str, int],
    ) -> None:  # fmt: skip
        self._form, self._places, self._companies = form, places, companies
        self._defaults: Mapping[str, str] = {name: getattr(defaults, name) for name in ("company", "by", "given", "evidence")}
        self._current, self._ids = current_of(earlier), {one.id for one in earlier}
        self._lines: dict[tuple[str, str, str], int] = {}
        self.report = Report(str(path))
        self.new: list[Input] = []
        self.unchanged = 0

    def add(self, row: Row) -> None:
        """A row, or what is wrong with it."""
        line = row[0]
        self.report.lines[f"[{line}]"] = line
        before = len(self.report.problems)
        one = self._input(row)
        check_input(one, f"[{line}]", self.report)
        if one.company and one.company not in self._companies:
            remedy = nearest(one.company, self._companies, "name one of the registry's companies, or leave it empty for the zone")
            self._refuse(row, "company", f"unknown company {shortened(one.company)!r}", remedy)
        key = key_of(one)
        first = self._lines.setdefault(key, line)
        if first != line:
            what = f"{one.quantity} of {one.company or 'the zone'} in {one.period} stands in row {first} already"
            self._refuse(row, "quantity", what, "leave one of them out")
        if len(self.report.problems) == before:
            self._place(row, one)

    def _place(self, row: Row, one: Input) -> None:
        counting = self._current.get(key_of(one))
        if counting is not None and (counting.value, counting.by, counting.evidence) == (one.value, one.by, one.evidence):
            self.unchanged += 1
            return
        if counting is not None and not one.reason:
            what = f"is given already as {rounded(counting.value)} by {counting.by} on {counting.given} ({counting.evidence})"
            self._refuse(row, "reason", what, "say in `reason` why that was wrong, to correct it")
            return
        if counting is None and one.reason:
            self._refuse(row, "reason", "there is nothing to correct", "leave `reason` empty, or mend quantity, company or period")
            return
        one = replace(one, replaces=counting.id if counting else "")
        one = one if one.id else replace(one, id=_id(one))
        if one.id in self._ids:
            self._refuse(row, "id", f"{one.id!r} is another input's", "choose another, or leave it empty")
            return
        self._ids.add(one.id)
        self.new.append(one)

    def _input(self, row: Row) -> Input:
        texts = {name: self._text(row, name) for name in COLUMNS if name not in ("value", "given", "period")}
        for name in ("quantity", "by", "evidence"):
            if not texts[name]:
                remedy = "fill it in" if name == "quantity" else f"fill it in, or give all rows one with --{name}"
                self._refuse(row, name, "is empty", remedy)
        for name in ("company", "id"):
            if texts[name] and (not is_usual_id(texts[name]) or len(texts[name].encode()) > MAX_ID_BYTES):
                self._refuse(
                    row, name, f"{shortened(texts[name])!r} is no identifier", "use letters, digits and any of _ . : * / -"
                )
        return Input(period=self._period(row), value=self._value(row), given=self._given(row), replaces="", **texts)

    def _cell(self, row: Row, name: str) -> Any:
        place = self._places.get(name, -1)
        cell = row[1][place] if 0 <= place < len(row[1]) else None
        return self._defaults.get(name, "") if cell in (None, "") else cell

    def _text(self, row: Row, name: str) -> str:
        text = _plain(self._cell(row, name))
        if CONTROLS.search(text) or len(text) > MOST_TEXT:
            self._refuse(
                row, name, f"{shortened(text)!r} has control characters, or is too long", f"write at most {MOST_TEXT} plain ones"
            )
        elif len(text) > 1 and text.startswith(_FORMULAS):
            self._refuse(row, name, f"{shortened(text)!r} begins as a spreadsheet's formula does", "write what it means as a text")
        return text

    def _value(self, row: Row) -> Fraction:
        cell = self._cell(row, "value")
        try:
            if cell == "":
                raise BadValue("is empty, or a formula that was never computed", "fill it in, and save the workbook once more")
            return parse_decimal(number_text(cell, self._form.decimal))
        except BadValue as bad:
            self._refuse(row, "value", bad.what, bad.remedy)
            return Fraction(0)

    def _period(self, row: Row) -> str:
        cell = self._cell(row, "period")
        if isinstance(cell, (date, datetime)):
            self._refuse(
                row, "period", f"{cell:%Y-%m-%d} is a date to the workbook", "write it as a text: '2026, '2026-03 or '2026-03-04"
            )
            return ""
        if cell == "":
            self._refuse(row, "period", "is empty", "write a year 2026, a month 2026-03 or a day 2026-03-04")
        return _plain(cell)

    def _given(self, row: Row) -> str:
        cell = self._cell(row, "given")
        if isinstance(cell, datetime):
            return cell.date().isoformat()
        try:
            return date.fromisoformat(_plain(cell)).isoformat()
        except ValueError:
            self._refuse(row, "given", f"{shortened(str(cell))!r} is no date", "write one such as 2026-01-31, or pass --given")
            return ""

    def _refuse(self, row: Row, column: str, what: str, remedy: str) -> None:
        self.report.add(f"[{row[0]}].{column}", what, remedy)


def _plain(cell: Any) -> str:
    """A name or year that a workbook holds as a number is written without a point."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _id(one: Input) -> str:
    """What it is about, and a digest of all of it: equal rows have equal ids, and no two others one."""
    digest = hashlib.sha256("\0".join(map(str, astuple(one))).encode()).hexdigest()[:8]
    return f"{one.quantity}:{one.company or '*'}:{one.period}:{digest}"
