"""How a file of readings is written, as far as the file does not say it itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from zoneinfo import ZoneInfo, available_timezones

from zonepulse.schemas.messages.reading_columns import OPTIONAL, POSITION, REQUIRED
from zonepulse.schemas.problems import nearest
from zonepulse.schemas.values import BadValue, parse_duration_ms

KEYS: Final = (*REQUIRED, *OPTIONAL, *POSITION)
CONSTANTS: Final = ("meter", "register", "unit")
Fold = Literal["", "first", "second", "order"]


class BadForm(ValueError):
    """An option that cannot be meant; the message names it, its value and the remedy."""


@dataclass(frozen=True, slots=True)
class FileForm:
    """`columns`: the file's name of a reading's key. `constants`: what every row has. `delimiter`, `encoding`: seen where empty;
    `decimal`: a point where empty, and a cell that may mean two numbers is refused.

    `timezone`: of times without offset; `fold`: which of two equal local times in autumn is meant, `order` = the later row the second.
    `time_format`: strptime's, or epoch_s, epoch_ms. `midnight_ends_day`: 00:00 is the end of the day that is named. `shift_ms`: added to
    every time, the period where the file stamps its start. `is_wide`: a column a meter. `sheet`: of a workbook, else the first.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    decimal: str = ""
    delimiter: str = ""
    encoding: str = ""
    timezone: str = ""
    fold: Fold = ""
    time_format: str = ""
    midnight_ends_day: bool = False
    shift_ms: int = 0
    is_wide: bool = False
    sheet: str = ""

    @property
    def is_plain(self) -> bool:
        """Nothing is said: a file with a reading's own columns, in UTF-8 with commas, is read as it is."""
        return self == FileForm()


def file_form(
    *,
    columns: str | None = None,
    meter: str | None = None,
    register: str | None = None,
    unit: str | None = None,
    decimal: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    timezone: str | None = None,
    fold: str | None = None,
    time_format: str | None = None,
    midnight: str | None = None,
    stamp: str | None = None,
    period: str | None = None,
    wide: bool = False,
    sheet: str | None = None,
) -> FileForm:
    """The form that a command's options describe. Raises BadForm."""
    constants = {name: text for name, text in zip(CONSTANTS, (meter, register, unit), strict=True) if text is not None}
    return FileForm(
        columns=_columns(columns),
        constants=constants,
        decimal=_one_of("--decimal", decimal, ("", ".", ",")),
        delimiter=_delimiter(delimiter),
        encoding=_encoding(encoding),
        timezone=_timezone(timezone),
        fold=_one_of("--fold", fold, ("", "first", "second", "order")),  # type: ignore[arg-type]
        time_format=time_format or "",
        midnight_ends_day=_one_of("--midnight", midnight, ("begins-day", "ends-day")) == "ends-day",
        shift_ms=_shift(stamp, period),
        is_wide=wide,
        sheet=sheet or "",
    )


def _columns(text: str | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split(",") if text else ():
        key, equals, name = part.partition("=")
        if not equals or not name.strip() or key.strip() not in KEYS:
            remedy = nearest(key.strip(), KEYS, f"keys are {', '.join(KEYS)}")
            raise BadForm(f"--columns: {part!r} names no column of a reading; write ts=Zeit,value=Wert; {remedy}")
        found[key.strip()] = name.strip()
    return found


def _one_of(option: str, text: str | None, words: tuple[str, ...]) -> str:
    if text is None:
        return words[0]
    if text not in words:
        raise BadForm(f"{option} {text!r}: write one of {', '.join(word for word in words if word)}")
    return text


def _delimiter(text: str | None) -> str:
    delimiter = {"tab": "\t", "\\t": "\t"}.get(text or "", text or "")
    if len(delimiter) > 1:
        raise BadForm(f"--delimiter {text!r}: write one character, or tab")
    return delimiter


def _encoding(text: str | None) -> str:
    try:
        "".encode(text or "utf-8")
    except LookupError:
        raise BadForm(f"--encoding {text!r}: no such encoding; write utf-8, utf-16, cp1252 (Western Windows) or gb18030") from None
    return text or ""


def _timezone(text: str | None) -> str:
    try:
        ZoneInfo(text or "UTC")
    except (ValueError, OSError, LookupError):
        remedy = nearest(text or "", available_timezones(), "write an IANA name such as Europe/Berlin")
        raise BadForm(f"--timezone {text!r}: no such time zone; {remedy}") from None
    return text or ""


def _shift(stamp: str | None, period: str | None) -> int:
    if _one_of("--stamp", stamp, ("end", "start")) == "end":
        return 0
    if period is None:
        raise BadForm("--stamp start: say how long a row's period is, such as --period 15m")
    try:
        return parse_duration_ms(period)
    except BadValue as bad:
        raise BadForm(f"--period {period!r}: {bad}") from bad
