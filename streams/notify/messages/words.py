"""Texts, numbers and times as a reader writes them. Catalogues are gettext files in `locale/`; the English text is the key.
What rules about meters say stands with the rules."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Final

from babel import Locale
from babel.dates import format_datetime, format_time, format_timedelta, get_timezone_gmt
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from zonepulse.processors.detection.meter.rules import RULES
from zonepulse.streams.notify.routing.times import local

LOCALES: Final = {"en": "en_GB", "de": "de_DE", "zh": "zh_Hans_CN"}
_DIRECTIONS: Final = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
LARGEST: Final = 1e15
"""Beyond, digits say nothing, and the formatter refuses them."""
MOST_NAME: Final = 80
"""Characters of a name that a message shows."""


@cache
def catalogue(language: str) -> dict[str, str]:
    """English text -> that language's; empty for English."""
    if language == "en":
        return {}
    data = (files("zonepulse.streams.notify.messages") / "locale" / f"{language}.po").read_bytes()
    said = {text["en"]: text[language] for rule in RULES for text in (rule.title, rule.advice)}
    return said | {str(m.id): str(m.string) for m in read_po(BytesIO(data)) if m.id and m.string}


def clean(text: object, most: int = MOST_NAME) -> str:
    """A foreign text in one line: no control, line-end or direction characters, and not longer than `most` characters."""
    line = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in _DIRECTIONS.sub("", str(text)))
    line = " ".join(line.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


@dataclass(frozen=True, slots=True)
class Words:
    """How one reader reads: language en, de or zh, and a time zone."""

    language: str
    timezone: str

    def __call__(self, text: str, **facts: object) -> str:
        """The text in the reader's language, with facts in its {places}."""
        return catalogue(self.language).get(text, text).format(**facts) if facts else catalogue(self.language).get(text, text)

    @property
    def colon(self) -> str:
        """Between a label and its text."""
        return "：" if self.language == "zh" else ": "

    @property
    def comma(self) -> str:
        """Between parts of a line."""
        return "，" if self.language == "zh" else ", "

    def aside(self, text: str) -> str:
        """In brackets, behind something."""
        return f"（{text}）" if self.language == "zh" else f" ({text})"

    def count(self, number: int) -> str:
        """A whole number with the reader's separators."""
        return format_decimal(number, locale=self.locale)

    @property
    def locale(self) -> Locale:
        """Babel's."""
        return Locale.parse(LOCALES[self.language])

    def number(self, value: float) -> str:
        """With at most four significant decimals and the reader's separators."""
        size = abs(value)
        if not size < LARGEST:
            return f"{value:.3g}"
        places = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 4
        return format_decimal(round(value, places), format=f"#,##0.{'#' * places}" if places else "#,##0", locale=self.locale)

    def moment(self, at_ms: int) -> str:
        """Date, time and the offset of the reader's clock."""
        at = local(at_ms, self.timezone)
        return f"{format_datetime(at, 'd MMM y, HH:mm' if self.language == 'en' else self._pattern, locale=self.locale)} {self.offset(at)}"

    def short_moment(self, at_ms: int, now_ms: int) -> str:
        """The time, with the date where it is another day."""
        at, now = local(at_ms, self.timezone), local(now_ms, self.timezone)
        if at.date() == now.date():
            return format_time(at, "HH:mm", locale=self.locale)
        pattern = {"en": "d MMM HH:mm", "de": "d. MMM HH:mm", "zh": "M月d日 HH:mm"}[self.language]
        return format_datetime(at, pattern, locale=self.locale)

    def span(self, length_ms: int) -> str:
        """A duration, roughly."""
        return format_timedelta(timedelta(milliseconds=length_ms), granularity="minute", threshold=2, locale=self.locale)

    def offset(self, at: datetime) -> str:
        """Of the clock: UTC+8, UTC+5:30."""
        text = get_timezone_gmt(at, width="iso8601_short", locale=self.locale)
        hours, minutes = text[:3], text[3:].lstrip(":")
        sign = "" if text in ("Z", "+00") else f"{hours[0]}{int(hours[1:])}" + (f":{minutes}" if minutes else "")
        return f"UTC{sign}"

    @property
    def _pattern(self) -> str:
        return {"de": "d. MMM y, HH:mm", "zh": "y年M月d日 HH:mm"}[self.language]
