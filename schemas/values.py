"""Values as text: exact decimals, durations and instants, with a remedy for each that cannot be read; how much JSON may hold."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS_OF: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
_DECIMAL: Final = re.compile(r"[-+]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,2})?", re.ASCII)
_RATIO: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*[/:]\s*(\d{1,9}(?:\.\d{1,9})?)", re.ASCII)
_LONGEST_NUMBER: Final = 60
EARLIEST_MS: Final = -2_208_988_800_000
LATEST_MS: Final = 10_413_791_999_999
"""The years 1900 to 2299: what a time of the store can say."""
_CLOCK_TIME: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ]\s*(\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)\s*([Zz]|[-+]\d\d(?::?\d\d)?)?", re.ASCII)


CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What moves a terminal's cursor, forges a line or turns the direction of writing: never part of an id or a name."""


def visible(text: str) -> str:
    """The text with its control characters written out, such as \\x1b: safe to print, and in one line."""
    return CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


MAX_ID_BYTES: Final = 200
_USUAL_ID: Final = re.compile(r"[\w:*/](?:[\w.:*/ -]*[\w.:*/-])?")


def is_usual_id(text: str) -> bool:
    """Whether an identifier has only letters, digits and _ . : * / - and blanks inside, and begins as no formula of a spreadsheet or
    hidden file does. An OBIS code such as 1-0:1.8.0*255 has."""
    return _USUAL_ID.fullmatch(text) is not None


def canonical_json(value: Mapping[str, object]) -> str:
    """Sorted keys, no blanks, text as it is."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class BadValue(ValueError):
    """A value that cannot be read: `what` is wrong, and its `remedy`."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")
        self.what, self.remedy = what, remedy


def shortened(text: str, most: int = 100) -> str:
    """For a message: the beginning of a text that nobody would read to its end."""
    return text if len(text) <= most else f"{text[:40]}... ({len(text)} characters)"


def rounded(value: Fraction) -> str:
    """A number for a message, however large."""
    try:
        return f"{float(value):.6g}"
    except OverflowError:
        return "a number beyond 1e308"


def parse_duration_ms(text: str) -> int:
    """`60s`, `15m`, `2h`, `7d` in milliseconds. Raises BadValue."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise BadValue(f"{shortened(text)!r} is no duration", "write a whole number and s, m, h or d, such as 90s, 15m, 2h, 7d")
    return int(match[1]) * _MS_OF[match[2]]


def duration_text(ms: int) -> str:
    """A duration as `parse_duration_ms` reads it, in the largest unit that is whole; `90s`, `15m`, `2h`, `7d`."""
    unit = next((unit for unit in "dhm" if ms and ms % _MS_OF[unit] == 0), "s")
    return f"{ms / _MS_OF[unit]:.12g}{unit}"


def parse_decimal(text: str) -> Fraction:
    """The exact value of a decimal number. Raises BadValue."""
    if len(text) > _LONGEST_NUMBER:
        raise BadValue(f"{text[:20]!r}... has {len(text)} characters", f"write a number of at most {_LONGEST_NUMBER}")
    if _DECIMAL.fullmatch(text):
        return Fraction(text)
    raise BadValue(f"{shortened(text)!r} is no decimal number", _decimal_remedy(text))


def _decimal_remedy(text: str) -> str:
    ratio = _RATIO.fullmatch(text)
    if ratio and Fraction(ratio[2]):
        quotient = Fraction(ratio[1]) / Fraction(ratio[2])
        return f"write the quotient, {quotient.numerator if quotient.denominator == 1 else float(quotient)}"
    if any(c in text for c in ",_' ") or text.count(".") > 1:
        return "write digits and a decimal point only, no separators"
    return "write it like 1234.5, without leading zeros"


def clock_minute(text: str) -> int | None:
    """A time of day such as 22:00 in minutes; None where it is none."""
    match = _CLOCK_TIME.fullmatch(text)
    return None if match is None else int(match[1]) * 60 + int(match[2])


def parse_instant_ms(text: str, zone: ZoneInfo) -> int:
    """Epoch ms of an ISO 8601 time with offset, or of the start of a date in `zone`; finer parts are cut. Raises BadValue."""
    try:
        if _DATE.fullmatch(text):
            return _epoch_ms(datetime.fromisoformat(text).replace(tzinfo=zone))
        match = _MOMENT.fullmatch(text)
        if match is None:
            raise BadValue(f"{shortened(text)!r} is no time", "write a date such as 2026-01-01, or 2026-03-04T10:07:00+08:00")
        if match[3] is None:
            local = datetime.fromisoformat(f"{match[1]}T{match[2]}").replace(tzinfo=zone)
            raise BadValue(f"{shortened(text)!r} has no offset", f"write which one is meant, such as {local.isoformat()}")
        return _epoch_ms(datetime.fromisoformat(f"{match[1]}T{match[2]}{match[3].upper()}"))
    except BadValue:
        raise
    except ValueError as error:
        raise BadValue(f"{shortened(text)!r} is no time: {error}", "write a date or time that exists") from None


def instant_text(at_ms: int, zone: ZoneInfo) -> str:
    """ISO 8601 in `zone`, for messages; far instants as a number."""
    try:
        return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(zone).isoformat()
    except OverflowError:
        return f"{at_ms} ms"


def _epoch_ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


MOST_BRACKETS: Final = 250_000
"""Lists and objects of one JSON text from outside: an empty one is two bytes of text and a hundred of memory. What is honest has about 80
bytes for each."""


def brackets(text: bytes) -> int:
    """The opening brackets in a text, those inside strings included."""
    return text.count(b"[") + text.count(b"{")


def check_brackets(*texts: bytes) -> None:
    """Raises ValueError where the texts of one record hold more lists and objects than may be."""
    if sum(map(len, texts)) > MOST_BRACKETS and (found := sum(map(brackets, texts))) > MOST_BRACKETS:
        raise ValueError(f"{found} lists and objects, more than {MOST_BRACKETS}")
