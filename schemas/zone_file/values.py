"""Readers of single values: identifiers, exact decimals, durations, instants, localised texts.

Each reports what it cannot read and returns a harmless placeholder, so that one run finds every mistake of a file.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from zonepulse.schemas.problems import nearest
from zonepulse.schemas.registry.model import ALWAYS, FOREVER, Text
from zonepulse.schemas.values import (
    CONTROLS,
    EARLIEST_MS,
    LATEST_MS,
    MAX_ID_BYTES,
    BadValue,
    is_usual_id,
    parse_decimal,
    parse_duration_ms,
    parse_instant_ms,
    shortened,
)
from zonepulse.schemas.zone_file.positions import Fields, Place, Reader

S = TypeVar("S", bound=str)
T = TypeVar("T")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_ZONE_ID: Final = re.compile(r"[\w.:-]+")
MOST_COUNT: Final = 10**12
"""Of employees, years, readings: more is a mistake, and would not fit its column."""


def _text(place: Place) -> str:
    if place.kind == "str":
        if CONTROLS.search(place.text.replace("\n", "").replace("\t", "")):
            place.fail(f"{place.shown} has control characters", "write it without them")
        return place.text
    quoted = f'"{place.text}"'
    remedy = f"write it in quotes: {quoted}" if place.text else "write text"
    place.fail(f"{place.shown} is no text", remedy)
    return place.text


def _identifier(place: Place) -> str:
    text = _text(place)
    if not text:
        if place.kind == "str":
            place.fail("an empty identifier", "write its id")
    elif len(text.encode()) > MAX_ID_BYTES:
        place.fail(f"the identifier has {len(text.encode())} bytes", f"at most {MAX_ID_BYTES} are allowed")
    elif not is_usual_id(text) and text not in place.report.known_ids:
        remedy = "use letters, digits, blanks inside and any of _ . : * / -, and begin with a letter, a digit, _ : * or /"
        place.fail(f"{text!r} is no identifier", remedy)
    return text


def _zone_id(place: Place) -> str:
    text = _identifier(place)
    if text and is_usual_id(text) and not _ZONE_ID.fullmatch(text) and text not in place.report.known_ids:
        place.fail(f"{text!r} is no zone's identifier", "use letters, digits and any of _ . : - for the zone itself")
    return text


def _number(place: Place) -> Fraction:
    try:
        if not place.text or place.is_quoted:
            raise BadValue(f"{place.shown} is no number", "write a number without quotes")
        return parse_decimal(place.text)
    except BadValue as error:
        place.fail(error.what, error.remedy)
        return Fraction(1)


def _float(place: Place) -> float:
    before = len(place.report.problems)
    _number(place)
    return float(place.text) if len(place.report.problems) == before else 0.0


def _count(place: Place) -> int:
    value = _number(place)
    if value.denominator != 1 or value < 0:
        place.fail(f"{place.shown} is no count", "write a whole number, 0 or more")
        return 0
    if value > MOST_COUNT:
        place.fail(f"{place.shown} is more than any count", f"write a whole number of at most {MOST_COUNT}")
        return 0
    return int(value)


def _truth(place: Place) -> bool:
    if place.is_quoted or place.text not in ("true", "false"):
        place.fail(f"{place.shown} is neither true nor false", "write true or false")
    return place.text != "false"


def _duration_ms(place: Place) -> int:
    try:
        return parse_duration_ms(place.text)
    except BadValue as error:
        example = f"add the unit, such as {place.text}s" if place.text.isdecimal() else error.remedy
        place.fail(f"{place.shown} is no duration", example)
        return 60_000


def _day(place: Place) -> str:
    try:
        return date.fromisoformat(place.text).isoformat()
    except ValueError:
        place.fail(f"{place.shown} is no date", "write one such as 2026-01-31")
        return ""


def _localised(place: Place) -> Text:
    if place.kind == "str":
        place.fail(f"{place.shown} has no language", f"write {{en: {place.text}}}")
        return {}
    texts = {key.text: (key, _text(value)) for key, value in place.members()}
    for language, (_, text) in texts.items():
        if not _LANGUAGE.fullmatch(language):
            place.fail(f"{language!r} is no language", "use a code such as en, de or zh")
        elif not text.strip():
            place.fail(f"the text for {language} is empty", "write it, or leave the language out")
    return {language: text for language, (_, text) in texts.items()}


def _timezone(place: Place) -> str:
    text = _text(place)
    try:
        ZoneInfo(text)
    except (ValueError, OSError, LookupError):
        place.fail(
            f"{shortened(text)!r} is no time zone", nearest(text, available_timezones(), "use an IANA name such as Asia/Shanghai")
        )
        return "UTC"
    return text


def one_of(*options: S) -> Reader[S]:
    """Reads one of these words."""

    words = {option: option for option in options}

    def read(place: Place) -> S:
        if place.text in words:
            return words[place.text]
        place.fail(f"{place.shown} is none of {', '.join(options)}", nearest(place.text, options, "write one of them"))
        return options[0]

    return Reader(read, options[0], options[0])


def instant_in(timezone_name: str, placeholder: int = 0) -> Reader[int]:
    """Reads a time of the zone as epoch ms."""
    zone = ZoneInfo(timezone_name)

    def read(place: Place) -> int:
        try:
            at_ms = parse_instant_ms(place.text, zone)
        except BadValue as error:
            place.fail(error.what if place.text else f"{place.shown} is no time", error.remedy)
            return placeholder
        if not EARLIEST_MS <= at_ms <= LATEST_MS:
            place.fail(
                f"{place.shown} is not between 1900 and 2299", "write a time between them, or leave out a validity's open end"
            )
            return placeholder
        return at_ms

    return Reader(read, placeholder, "2026-01-01")


@dataclass(frozen=True, slots=True)
class Clock:
    """The readers of times: `start` of a validity, `end` of one, and any `moment`. Dates begin in the zone's time zone."""

    start: Reader[int]
    end: Reader[int]
    moment: Reader[int]

    @classmethod
    def of(cls, timezone: str) -> "Clock":
        """The readers for a time zone that exists."""
        return cls(instant_in(timezone), instant_in(timezone, FOREVER), instant_in(timezone, ALWAYS))

    def validity(self, fields: Fields) -> tuple[int, int]:
        """`valid_from` and `valid_to`; open where absent or null."""
        return fields.read("valid_from", self.start, ALWAYS), fields.read("valid_to", self.end, FOREVER)


def optional(reader: Reader[T]) -> Reader[T | None]:
    """Reads the same; its placeholder is None."""
    read: Callable[[Place], Any] = reader.read
    return Reader(read, None, reader.example)


TEXT: Final = Reader(_text, "", "text")
IDENTIFIER: Final = Reader(_identifier, "", "an-id")
ZONE_ID: Final = Reader(_zone_id, "", "a-zone")
NUMBER: Final = Reader(_number, Fraction(1), "1.5")
FLOAT: Final = Reader(_float, 0.0, "1.5")
COUNT: Final = Reader(_count, 0, "3")
TRUTH: Final = Reader(_truth, True, "true")
DAY: Final = Reader(_day, "", "2026-01-31")
DURATION: Final = Reader(_duration_ms, 60_000, "15m")
LOCALISED: Final[Reader[Text]] = Reader(_localised, {}, "{en: text}")
TIMEZONE: Final = Reader(_timezone, "UTC", "Asia/Shanghai")
