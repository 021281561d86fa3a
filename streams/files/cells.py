"""A table's cells as times and numbers: every way of writing that means one thing only, and a remedy for each that does not."""

import math
import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from zonepulse.schemas.values import BadValue, shortened
from zonepulse.streams.files.blocks import LATEST_MS
from zonepulse.streams.files.form import FileForm

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_DAY: Final = timedelta(days=1)
_FIRST_MS: Final = -62_135_596_800_000
EARLIEST_MS: Final = 10**11
"""A smaller whole number is a time in seconds, if it is one."""
_MOST_DIGITS: Final = 30
_CLOCK: Final = (
    r"(?:[T ]+(?P<h>\d{1,2}):(?P<m>\d\d)(?::(?P<s>\d\d)(?:[.,](?P<f>\d{1,9}))?)?)?\s*(?P<offset>[Zz]|[-+]\d\d(?::?\d\d)?)?"
)
_ISO: Final = re.compile(r"(?P<Y>\d{4})[-/.](?P<M>\d{1,2})[-/.](?P<D>\d{1,2})" + _CLOCK)
_CHINESE: Final = re.compile(r"(?P<Y>\d{4})年(?P<M>\d{1,2})月(?P<D>\d{1,2})日" + _CLOCK)
_DOTTED: Final = re.compile(r"(?P<D>\d{1,2})\.(?P<M>\d{1,2})\.(?P<Y>\d{4})" + _CLOCK)
_SLASHED: Final = re.compile(r"\d{1,2}[/-]\d{1,2}[/-]\d{4}.*")
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
_GROUPED: Final = {
    ".": re.compile(r"[+-]?\d{1,3}(?:[,' \u00a0\u202f]\d{3})+(?:\.\d*)?"),
    ",": re.compile(r"[+-]?\d{1,3}(?:[.' \u00a0\u202f]\d{3})+(?:,\d*)?"),
}
_TWO_MEANINGS: Final = re.compile(r"[+-]?\d{1,3},\d{3}")
_COMMA: Final = re.compile(r"[+-]?\d*,\d+")


class Times:
    """Reads a column of times; of equal local times in autumn it remembers which it saw."""

    def __init__(self, form: FileForm) -> None:
        self._form = form
        self._zone = ZoneInfo(form.timezone) if form.timezone else None
        self._read = lru_cache(1 << 16)(self._parsed)
        self._latest: dict[object, datetime] = {}

    def ms(self, cell: object, series: object = None) -> int:
        """Epoch ms of a cell, shifted as the form says. `series`: whose row it is. Raises BadValue."""
        try:
            found = self._read(cell)
            ms = found if isinstance(found, int) else (self._aware(found, cell, series) - _EPOCH) // _MS
        except OverflowError:
            ms = LATEST_MS + 1
        if not _FIRST_MS <= ms + self._form.shift_ms <= LATEST_MS:
            raise BadValue(f"{shortened(str(cell))!r} lies outside the years 1 to 9999", "mend the time, or --time-format")
        return ms + self._form.shift_ms

    def _parsed(self, cell: Any) -> datetime | int:
        """A local time without offset, or epoch ms."""
        if isinstance(cell, datetime):
            moment = cell
        elif isinstance(cell, date):
            moment = datetime(cell.year, cell.month, cell.day)
        elif isinstance(cell, (int, float)) or re.fullmatch(r"-?\d+", str(cell)):
            return self._number(cell)
        elif self._form.time_format:
            try:
                moment = datetime.strptime(str(cell), self._form.time_format)
            except ValueError:
                raise BadValue(
                    f"{shortened(str(cell))!r} is no time of the form {self._form.time_format}", "mend --time-format"
                ) from None
        else:
            moment = _moment(str(cell))
        if self._form.midnight_ends_day and moment.time() == datetime.min.time():
            moment += _DAY
        return (moment - _EPOCH) // _MS if moment.tzinfo else moment

    def _number(self, cell: Any) -> int:
        if isinstance(cell, str) and len(cell) > _MOST_DIGITS:
            return LATEST_MS + 1
        if self._form.time_format == "epoch_s":
            return round(float(cell) * 1000)
        if isinstance(cell, float) and not cell.is_integer():
            raise BadValue(f"{cell!r} is no time", "write dates as dates, or whole milliseconds since 1970")
        if abs(int(cell)) < EARLIEST_MS and self._form.time_format != "epoch_ms":
            raise BadValue(f"{cell!r} looks like epoch_seconds", "pass --time-format epoch_s, or write milliseconds")
        return int(cell)

    def _aware(self, local: datetime, cell: object, series: object) -> datetime:
        if self._zone is None:
            raise BadValue(f"{cell!r} has no offset", "say where its clock stands, such as --timezone Europe/Berlin")
        first = local.replace(tzinfo=self._zone).astimezone(UTC)
        second = local.replace(tzinfo=self._zone, fold=1).astimezone(UTC)
        if first == second:
            self._latest[series] = first
            return first
        if first > second:  # the clock jumped over it
            raise BadValue(
                f"{cell!r} does not exist in {self._form.timezone}: the clock is put forward", "mend the time, or --timezone"
            )
        if not self._form.fold:
            raise BadValue(f"{cell!r} occurs twice in {self._form.timezone}", "say which is meant: --fold first, second or order")
        is_second = self._form.fold == "second" or (self._form.fold == "order" and self._latest.get(series, _EPOCH) >= first)
        self._latest[series] = second if is_second else first
        return self._latest[series]


def _moment(text: str) -> datetime:
    """The time that a text says, with its offset if it has one. 24:00 is the day's end. Raises BadValue."""
    match = _ISO.fullmatch(text) or _CHINESE.fullmatch(text) or _DOTTED.fullmatch(text)
    if match is None:
        if _SLASHED.fullmatch(text):
            raise BadValue(
                f"{text!r} may be day/month or month/day", "say which: --time-format '%d/%m/%Y %H:%M' or '%m/%d/%Y %H:%M'"
            )
        raise BadValue(
            f"{shortened(text)!r} is no time", "write 2026-03-04T10:15:00+01:00, or say how it is written with --time-format"
        )
    part = {name: int(match[name] or 0) for name in "YMDhms"}
    micros = int((match["f"] or "0").ljust(6, "0")[:6])
    try:
        day = datetime(part["Y"], part["M"], part["D"])
        if part["h"] > 24 or (part["h"] == 24 and (part["m"] or part["s"] or micros)):
            raise ValueError("hour must be in 0..24")
        clock = timedelta(hours=part["h"], microseconds=micros) if part["h"] == 24 else None
        moment = day + clock if clock else day.replace(hour=part["h"], minute=part["m"], second=part["s"], microsecond=micros)
    except ValueError as bad:
        raise BadValue(f"{text!r} is no time: {bad}", "write a time that exists") from None
    if not match["offset"]:
        return moment
    offset = match["offset"].upper().replace("Z", "+00:00")
    sign, hours, minutes = offset[0], int(offset[1:3]), int(offset[-2:]) if len(offset) > 3 else 0
    return moment.replace(tzinfo=UTC) - (1 if sign == "+" else -1) * timedelta(hours=hours, minutes=minutes)


def number(cell: Any, decimal: str) -> float:
    """The nearest float64 of a cell. Raises BadValue; never another number than the one that was meant."""
    if isinstance(cell, int) and not isinstance(cell, bool):
        try:
            return float(cell)
        except OverflowError:
            return math.copysign(math.inf, cell)
    return cell if isinstance(cell, float) else float(number_text(cell, decimal))


def number_text(cell: Any, decimal: str) -> str:
    """A cell's number with a decimal point and nothing else, exactly as it was written. Raises BadValue."""
    if isinstance(cell, bool):
        raise BadValue(f"{cell!r} is no number", "write a number")
    if isinstance(cell, (int, float)):
        return repr(cell)
    text = str(cell)
    plain = text.replace(".", "\0").replace(",", ".") if decimal == "," else text
    if _NUMBER.fullmatch(plain):
        return plain
    if not decimal and _TWO_MEANINGS.fullmatch(text):
        raise BadValue(f"{text!r} may be a decimal comma or thousands", "say which: --decimal , or --decimal .")
    if _GROUPED[decimal or "."].fullmatch(text):
        return re.sub(r"[' \u00a0\u202f]", "", text.replace("." if decimal == "," else ",", "")).replace(",", ".")
    if decimal != "," and _COMMA.fullmatch(text):
        raise BadValue(f"{text!r} has a decimal comma", "pass --decimal ,")
    if decimal == "," and _NUMBER.fullmatch(text):
        raise BadValue(f"{text!r} has a decimal point, and --decimal is ','", "leave --decimal out, or mend the cell")
    raise BadValue(f"{shortened(text)!r} is no number", "write a number, or leave the cell empty")
